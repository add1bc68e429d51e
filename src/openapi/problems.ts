import { problemSchema, problems } from '../errors.ts';
import { problemCodesOf, type Route, withKey } from './checks.ts';
import { headerReferences, rateLimitHeaders } from './headers.ts';
import { exampleOf, type ProblemExample } from './problem-examples.ts';

/** Components of the document by name, filled while its routes are described. */
export interface Components {
  readonly schemas: Record<string, object>;
  readonly responses: Record<string, object>;
  readonly examples: Record<string, object>;
}

const headersOf: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  415: ['Accept-Patch', 'Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
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
      const examples = codes.filter((code) => problems[code].status === status).map((code) => exampleOf(code, route));
      for (const { name, problem } of examples) components.examples[name] = { value: problem };
      const name = [...(withKey(route) ? [] : ['without-key']), ...examples.map((example) => example.name)].join('-');
      // A 401 comes before the rate limits.
      const limits = withKey(route) && status !== 401 ? rateLimitHeaders : [];
      components.responses[name] = {
        description: examples.map(({ problem: { code, title } }) => `\`${code}\`: ${title}`).join('\n\n'),
        headers: headerReferences(['X-Request-Id', ...(headersOf[status] ?? []), ...limits]),
        content: { 'application/problem+json': problemContent(status, examples) },
      };
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

const problemContent = (status: number, examples: readonly ProblemExample[]) => ({
  schema: {
    allOf: [
      { $ref: `#/components/schemas/${problemSchema.$id}` },
      {
        type: 'object',
        properties: { status: { const: status }, code: { enum: examples.map(({ problem }) => problem.code) } },
        required: ['code'],
      },
    ],
  },
  examples: Object.fromEntries(
    examples.map(({ name, problem }) => [problem.code, { $ref: `#/components/examples/${name}` }]),
  ),
});
