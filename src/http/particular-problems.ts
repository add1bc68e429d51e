import { problemDetails } from './problem-details.ts';
import { ApiError } from './problems.ts';

/** 403 that names the missing scope (RFC 6750, section 3.1). */
export function scopeMissing(scope: string): ApiError {
  return new ApiError('INSUFFICIENT_PERMISSIONS', {
    detail: problemDetails.scopeMissing(scope),
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/** 404 for a problem that is not in the catalogue. */
export const problemUnknown = () => new ApiError('RESOURCE_NOT_FOUND', { detail: problemDetails.problemUnknown });
