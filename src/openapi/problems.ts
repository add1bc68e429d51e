import { complaints, inBody, inParameter } from '../http/faults.ts';
import {
  agentMissing,
  notJson,
  problemUnknown,
  scopeMissing,
  webhookForeign,
  webhookMissing,
} from '../http/particular-problems.ts';
import { problemTexts } from '../http/problem-texts.ts';
import { ApiError, invalid, type Problem, type ProblemCode, problemSchema, problems } from '../http/problems.ts';
import { problemCodesOf, propertiesOf, type Route, withBody, withId, withKey } from './checks.ts';
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

/** The suffix of an example's name, for routes whose examples of a problem differ in more than `instance`; else empty. */
function variantOf(code: ProblemCode, route: Route): string {
  if (code === 'RESOURCE_NOT_FOUND') return !withKey(route) ? '.problem' : isOfWebhooks(route) ? '.webhook' : '';
  if (code === 'RESOURCE_ACCESS_DENIED') return isOfWebhooks(route) ? '.webhook' : '';
  if (code === 'INSUFFICIENT_PERMISSIONS') return `.${route.config?.scope?.replace(':', '-')}`;
  return code === 'VALIDATION_FAILED' ? faultOf(route).variant : '';
}

const isOfWebhooks = ({ url }: Route) => url.startsWith('/webhooks');

const agentPath = `/agents/${ids.agent}`;
const webhookPath = `/webhooks/${ids.webhook}`;

/** A fault that a request to the route can have, the path of that request, and the suffix of the example's name. */
function faultOf(route: Route) {
  const ofWebhooks = isOfWebhooks(route);
  if (withBody(route)) {
    return ofWebhooks
      ? { fault: inBody(['events'], complaints.tooFew(1)), path: webhookPath, variant: '.webhook-body' }
      : { fault: inBody(['duration'], complaints.tooLarge(180)), path: agentPath, variant: '.body' };
  }
  if (withId(route)) {
    const fault = inParameter('path', 'id', complaints.badFormat('uuid'));
    return ofWebhooks
      ? { fault, path: '/webhooks/42', variant: '.webhook-path' }
      : { fault, path: '/agents/42', variant: '.path' };
  }
  const parameters = Object.keys(propertiesOf(route.schema.querystring));
  return parameters.includes('limit')
    ? { fault: inParameter('query', 'limit', complaints.tooLarge(100)), path: '/agents', variant: '.query' }
    : {
        fault: inParameter('query', 'limit', complaints.unknownMember(undefined, parameters)),
        ...{ path: route.url, variant: '.query.unknown' },
      };
}

/** A problem as the route answers with it; `instance` is the path of a route that has the same example. */
function exampleOf(code: ProblemCode, route: Route, prefix: string): Problem {
  return errorOf(code, route).problem(pathOf(code, route), ids.request, prefix);
}

function pathOf(code: ProblemCode, route: Route): string {
  // For an incomplete message, the server has not read the path.
  if (code === 'REQUEST_TIMEOUT' || code === 'HEADERS_TOO_LARGE') return '';
  if (code === 'VALIDATION_FAILED') return faultOf(route).path;
  const isShared = variantOf(code, route) === '';
  if (!isShared && !withKey(route)) return '/problems/unknown';
  return !isShared && isOfWebhooks(route) ? webhookPath : agentPath;
}

function errorOf(code: ProblemCode, route: Route): ApiError {
  switch (code) {
    case 'VALIDATION_FAILED':
      return invalid([faultOf(route).fault]);
    case 'RESOURCE_NOT_FOUND':
      if (!withKey(route)) return problemUnknown();
      return isOfWebhooks(route) ? webhookMissing() : agentMissing();
    case 'RESOURCE_ACCESS_DENIED':
      return isOfWebhooks(route) ? webhookForeign() : new ApiError(code);
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
