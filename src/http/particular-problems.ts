import { type EntityTags, entityTag, isForeign } from './entity-tag.ts';
import { findJsonFault } from './json-fault.ts';
import { nearestName } from './nearest-name.ts';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';

// Problems whose `detail` depends on the request.

/** 403 that names the missing scope (RFC 6750, section 3.1). */
export function scopeMissing(scope: string): ApiError {
  return new ApiError('INSUFFICIENT_PERMISSIONS', {
    detail: problemTexts.scopeMissing(scope),
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/** 404 for a path without a route, before any key is checked. @param path without query */
export function routeMissing(path: string): ApiError {
  if (/\/\/|.\/$/.test(path)) return new ApiError('ROUTE_NOT_FOUND', { detail: problemTexts.pathPartEmpty });
  return new ApiError('ROUTE_NOT_FOUND', { detail: /[A-Z]/.test(path) ? problemTexts.pathCase : undefined });
}

/** 400 for an ATS key without `companyId`. @param parameters the names in the query, of which one may be a misspelling */
export function companyMissing(parameters: readonly string[]): ApiError {
  const written = parameters.find((name) => name !== 'companyId' && nearestName(name, ['companyId'], 3));
  const detail = written === undefined ? undefined : problemTexts.companyMisnamed(written);
  return new ApiError('COMPANY_ID_REQUIRED', { detail });
}

/** 400 for a body that `JSON.parse` refused; names the place of the error, or says that the body is empty. */
export function notJson(text: string): ApiError {
  if (text.trim() === '') return new ApiError('MALFORMED_BODY', { detail: problemTexts.bodyMissing });
  const fault = findJsonFault(text);
  return new ApiError('MALFORMED_BODY', { detail: fault ? problemTexts.bodyNotJson(fault) : undefined });
}

export const agentMissing = () => new ApiError('RESOURCE_NOT_FOUND', { detail: problemTexts.agentMissing });

/** 404 for a version of an agent that exists and belongs to the company. @param newest the current version */
export function versionMissing(version: number, newest: number): ApiError {
  const detail = version > newest ? problemTexts.versionToCome(version, newest) : problemTexts.versionPruned;
  return new ApiError('RESOURCE_NOT_FOUND', { detail });
}

export const webhookMissing = () => new ApiError('RESOURCE_NOT_FOUND', { detail: problemTexts.webhookMissing });

/** 403 for a webhook endpoint of another company or integration, whoever it is. */
export const webhookForeign = () => new ApiError('RESOURCE_ACCESS_DENIED', { detail: problemTexts.webhookForeign });

/** 404 for a delivery of a webhook endpoint that exists and belongs to the owner. */
export const deliveryMissing = () => new ApiError('RESOURCE_NOT_FOUND', { detail: problemTexts.deliveryMissing });

export const problemUnknown = () => new ApiError('RESOURCE_NOT_FOUND', { detail: problemTexts.problemUnknown });

/** 412 of If-Match, with the current entity tag. */
export function tagNotCurrent(demanded: EntityTags, version: number): ApiError {
  const detail = isForeign(demanded) ? problemTexts.tagForeign : undefined;
  return new ApiError('PRECONDITION_FAILED', { detail, headers: { etag: entityTag(version) } });
}

/** 412 of If-None-Match, with the current entity tag. */
export function tagExcluded(version: number): ApiError {
  return new ApiError('PRECONDITION_FAILED', {
    detail: problemTexts.tagExcluded,
    headers: { etag: entityTag(version) },
  });
}
