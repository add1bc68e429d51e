import { type ProblemCode, problemSchema, problems } from '../errors.ts';
import { hasRateLimitHeaders, problemCodesOf, type Route, withKey } from './checks.ts';
import { headerReferences, rateLimitHeaders, type SharedHeader } from './headers.ts';
import { exampleOf } from './problem-examples.ts';

/** Components of the document by name, filled while its routes are described. */
export interface Components {
  readonly schemas: Record<string, object>;
  readonly responses: Record<string, object>;
  readonly examples: Record<string, object>;
}

const headersOf: { readonly [Code in ProblemCode]?: readonly SharedHeader[] } = {
  INVALID_API_KEY: ['WWW-Authenticate'],
  API_KEY_SUSPENDED: ['WWW-Authenticate'],
  INSUFFICIENT_PERMISSIONS: ['WWW-Authenticate'],
  UNSUPPORTED_MEDIA_TYPE: ['Accept-Patch', 'Accept-Encoding'],
  RATE_LIMITED: ['Retry-After'],
  OVERLOADED: ['Retry-After'],
  DATABASE_UNAVAILABLE: ['Retry-After'],
};

/**
 * The error answers of a route by status, each a reference to a shared response, which is added to the components.
 * A response is named after its examples, so that routes with the same problems share it.
 */
export function problemResponses(route: Route, components: Components): Record<string, { $ref: string }> {
  const codes = problemCodesOf(route);
  const statuses = [...new Set(codes.map((code) => problems[code].status))];
  return Object.fromEntries(
    statuses.map((status) => {
      const own = codes.filter((code) => problems[code].status === status);
      const examples = own.map((code) => exampleOf(code, route));
      for (const { name, problem } of examples) components.examples[name] = { value: problem };
      const name = [...(withKey(route) ? [] : ['without-key']), ...examples.map((example) => example.name)].join('-');
      components.responses[name] = {
        description: own.map((code) => `\`${code}\`: ${problems[code].title}`).join('\n\n'),
        headers: headerReferences(['X-Request-Id', ...own.flatMap((code) => headersOfProblem(code, route))]),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [
                { $ref: `#/components/schemas/${problemSchema.$id}` },
                { type: 'object', properties: { status: { const: status }, code: { enum: own } }, required: ['code'] },
              ],
            },
            examples: Object.fromEntries(
              own.map((code, at) => [code, { $ref: `#/components/examples/${examples[at]?.name}` }]),
            ),
          },
        },
      };
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

const headersOfProblem = (code: ProblemCode, route: Route): readonly string[] => [
  ...(headersOf[code] ?? []),
  ...(withKey(route) && hasRateLimitHeaders(code) ? rateLimitHeaders : []),
];
