import { complaints, type Fault, inBody, inParameter } from '../http/faults.ts';
import { problemDetails } from '../http/problem-details.ts';
import { ApiError, invalid, type Problem, type ProblemCode, scopeMissing } from '../http/problems.ts';
import type { Declared } from './openapi-checks.ts';
import { ids } from './openapi-story.ts';

/** An answer with that code, as the route gives it. */
export function exampleOf(code: ProblemCode, route: Declared): Problem {
  const path = route.url.replace(':id', ids.agent).replace(':version', '1');
  if (code === 'VALIDATION_FAILED') {
    const { fault, instance = path } = faultOf(route, path);
    return invalid([fault]).problem(instance, ids.request);
  }
  return errorOf(code, route).problem(arrivesWhole(code) ? path : '', ids.request);
}

/** Of a message that broke off before its path was read the server cannot tell the path. */
const arrivesWhole = (code: ProblemCode) => code !== 'REQUEST_TIMEOUT' && code !== 'HEADERS_TOO_LARGE';

function errorOf(code: ProblemCode, { config }: Declared): ApiError {
  switch (code) {
    case 'MALFORMED_REQUEST':
      return new ApiError(code, { detail: problemDetails.hostHeaders });
    case 'MALFORMED_BODY':
      return new ApiError(code, { detail: problemDetails.bodyNotJson });
    case 'INSUFFICIENT_PERMISSIONS':
      return scopeMissing(String(config?.scope));
    default:
      return new ApiError(code);
  }
}

/** A fault that a request to the route can have, and the path of that request where it is another one. */
function faultOf({ url, schema }: Declared, path: string): { readonly fault: Fault; readonly instance?: string } {
  if (schema.body !== undefined) return { fault: inBody(['duration'], complaints.tooLarge(180)) };
  if (!url.includes(':id')) return { fault: inParameter('query', 'limit', complaints.tooLarge(100)) };
  return {
    fault: inParameter('path', 'id', complaints.badFormat('uuid')),
    instance: path.replace(ids.agent, '42'),
  };
}
