import { ApiError, invalid, type Problem, type ProblemCode, scopeMissing } from '../errors.ts';
import { complaints, inBody, inParameter } from '../faults.ts';
import { type Route, withAgent, withBody } from './checks.ts';
import { ids } from './examples.ts';

/** An example of a problem, and its name among the components of the document. */
export interface ProblemExample {
  readonly name: string;
  readonly problem: Problem;
}

const path = `/agents/${ids.agent}`;

const example = (error: ApiError, instance = path, variant = ''): ProblemExample => ({
  name: error.code + variant,
  problem: error.problem(instance, ids.request),
});

/** A problem as the route answers with it, but for `instance`: routes that differ in that alone share an example. */
export function exampleOf(code: ProblemCode, route: Route): ProblemExample {
  switch (code) {
    case 'VALIDATION_FAILED':
      if (withBody(route)) return example(invalid([inBody(['duration'], complaints.tooLarge(180))]), path, '.body');
      return withAgent(route)
        ? example(invalid([inParameter('path', 'id', complaints.badFormat('uuid'))]), '/agents/42', '.path')
        : example(invalid([inParameter('query', 'limit', complaints.tooLarge(100))]), '/agents', '.query');
    case 'INSUFFICIENT_PERMISSIONS': {
      const scope = String(route.config?.scope);
      return example(scopeMissing(scope), path, `.${scope.replace(':', '-')}`);
    }
    case 'MALFORMED_REQUEST':
      return example(new ApiError(code, { detail: 'Send exactly one Host header.' }));
    case 'MALFORMED_BODY':
      return example(new ApiError(code, { detail: 'The body is not valid JSON.' }));
    default:
      // Of a message that did not arrive whole the server has not read the path.
      return example(new ApiError(code), code === 'REQUEST_TIMEOUT' || code === 'HEADERS_TOO_LARGE' ? '' : path);
  }
}
