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
        .map((code) => {
          const { variant, ...shown } = exampleOf(code, route);
          return { ...shown, code, example: code + variant };
        });
      for (const { example, error, path } of own)
        examples[example] = { value: error.problem(path, ids.request, prefix) };
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

/**
 * A problem as the route answers with it, the path of a request that has the same example, and the suffix of the example's name
 * for routes whose examples differ in more than that path.
 */
function exampleOf(code: ProblemCode, route: Route) {
  const shared = { path: agentPath, variant: '' };
  const ofWebhooks = isOfWebhooks(route);
  const own = ofWebhooks ? { path: webhookPath, variant: '.webhook' } : shared;
  switch (code) {
    case 'VALIDATION_FAILED': {
      const { fault, ...where } = faultOf(route);
      return { ...where, error: invalid([fault]) };
    }
    case 'RESOURCE_NOT_FOUND':
      if (!withKey(route)) return { error: problemUnknown(), path: '/problems/unknown', variant: '.problem' };
      return { ...own, error: ofWebhooks ? webhookMissing() : agentMissing() };
    case 'RESOURCE_ACCESS_DENIED':
      return { ...own, error: ofWebhooks ? webhookForeign() : new ApiError(code) };
    case 'INSUFFICIENT_PERMISSIONS': {
      const scope = String(route.config?.scope);
      return { ...own, error: scopeMissing(scope), variant: `.${scope.replace(':', '-')}` };
    }
    case 'MALFORMED_REQUEST':
      return { ...shared, error: new ApiError(code, { detail: problemTexts.hostHeaders }) };
    case 'MALFORMED_BODY':
      return { ...shared, error: notJson('{') };
    case 'REQUEST_TIMEOUT':
    case 'HEADERS_TOO_LARGE':
      // The server has not read the path of an incomplete message.
      return { ...shared, error: new ApiError(code), path: '' };
    default:
      return { ...shared, error: new ApiError(code) };
  }
}
