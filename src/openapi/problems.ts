import { complaints, inBody, inParameter } from '../http/faults.ts';
import { agentMissing, notJson, problemUnknown, scopeMissing } from '../http/particular-problems.ts';
import { problemTexts } from '../http/problem-texts.ts';
import { ApiError, invalid, type Problem, type ProblemCode, problemSchema, problems } from '../http/problems.ts';
import { problemCodesOf, propertiesOf, type Route, withAgent, withBody, withKey } from './checks.ts';
import { ids } from './examples.ts';
import { headerReferences, rateLimitHeaders } from './headers.ts';

/** Components of the document by name, filled while its routes are described. */
export interface Components {
  readonly schemas: Record<string, object>;
  readonly responses: Record<string, object>;
  readonly examples: Record<string, { readonly value: Problem }>;
}

const headersOf: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  412: ['ETag'],
  415: ['Accept-Patch', 'Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

/**
 * The error answers of a route by status, each a reference to a shared response, which is added to the components.
 * A response is named after its examples, so that routes with the same problems share it.
 */
export function problemResponses(
  route: Route,
  { responses, examples }: Components,
  prefix: string,
): Record<string, { $ref: string }> {
  const codes = problemCodesOf(route);
  const statuses = [...new Set(codes.map((code) => problems[code].status))];
  return Object.fromEntries(
    statuses.map((status) => {
      const own = codes
        .filter((code) => problems[code].status === status)
        .map((code) => ({ code, example: code + variantOf(code, route) }));
      for (const { code, example } of own) examples[example] = { value: exampleOf(code, route, prefix) };
      const name = [...(withKey(route) ? [] : ['without-key']), ...own.map(({ example }) => example)].join('-');
      // A 401 comes before the rate limits.
      const limits = withKey(route) && status !== 401 ? rateLimitHeaders : [];
      const here = { status: { type: 'integer', const: status }, code: { enum: own.map(({ code }) => code) } };
      const schema = {
        allOf: [
          { $ref: `#/components/schemas/${problemSchema.$id}` },
          { type: 'object', properties: here, required: ['code'] },
        ],
      };
      const shown = own.map(({ code, example }) => [code, { $ref: `#/components/examples/${example}` }]);
      responses[name] = {
        description: own.map(({ code }) => `\`${code}\`: ${problems[code].title}`).join('\n\n'),
        headers: headerReferences(['X-Request-Id', ...(headersOf[status] ?? []), ...limits]),
        content: { 'application/problem+json': { schema, examples: Object.fromEntries(shown) } },
      };
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

/** The suffix of a response's name, for routes whose examples of a problem differ in more than `instance`. */
function variantOf(code: ProblemCode, route: Route): string {
  if (code === 'RESOURCE_NOT_FOUND' && !withKey(route)) return '.problem';
  if (code === 'INSUFFICIENT_PERMISSIONS') return `.${route.config?.scope?.replace(':', '-')}`;
  if (code === 'VALIDATION_FAILED') {
    const { fault } = faultOf(route);
    return fault.code === 'unknown_member' ? `.${fault.in}.unknown` : `.${fault.in}`;
  }
  return '';
}

const agentPath = `/agents/${ids.agent}`;

/** A fault that a request to the route can have, and the path of that request. */
function faultOf(route: Route) {
  if (withBody(route)) return { fault: inBody(['duration'], complaints.tooLarge(180)), path: agentPath };
  if (withAgent(route)) return { fault: inParameter('path', 'id', complaints.badFormat('uuid')), path: '/agents/42' };
  const parameters = Object.keys(propertiesOf(route.schema.querystring));
  const isList = parameters.includes('limit');
  const complaint = isList ? complaints.tooLarge(100) : complaints.unknownMember(undefined, parameters);
  return { fault: inParameter('query', 'limit', complaint), path: isList ? '/agents' : route.url };
}

/** A problem as the route answers with it, but for `instance`. */
function exampleOf(code: ProblemCode, route: Route, prefix: string): Problem {
  // For an incomplete message, the server has not read the path.
  const isCut = code === 'REQUEST_TIMEOUT' || code === 'HEADERS_TOO_LARGE';
  const path = code === 'VALIDATION_FAILED' ? faultOf(route).path : agentPath;
  return errorOf(code, route).problem(isCut ? '' : path, ids.request, prefix);
}

function errorOf(code: ProblemCode, route: Route): ApiError {
  switch (code) {
    case 'VALIDATION_FAILED':
      return invalid([faultOf(route).fault]);
    case 'RESOURCE_NOT_FOUND':
      return withKey(route) ? agentMissing() : problemUnknown();
    case 'INSUFFICIENT_PERMISSIONS':
      return scopeMissing(String(route.config?.scope));
    case 'MALFORMED_REQUEST':
      return new ApiError(code, { detail: problemTexts.hostHeaders });
    case 'MALFORMED_BODY':
      return notJson('{');
    default:
      return new ApiError(code);
  }
}
