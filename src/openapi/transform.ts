import type { SwaggerTransform } from '@fastify/swagger';
import { story } from '../agents/examples.ts';
import { type Operation, operations } from '../agents/openapi.ts';
import type { Declared } from './checks.ts';
import { type Answer, type AnswerHeaders, headersOfSuccess, problemAnswers } from './problems.ts';
import { published, publishedParameters } from './schemas.ts';

/** Completes the schema of a route for the document. The route itself goes on with its own. */
export const describeOperation: SwaggerTransform = ({ schema, url, route: { method, config } }) => {
  if (schema.hide) return { schema, url };
  const operation = operations[`${method} ${url}`];
  if (!operation) throw new Error(`${method} ${url} is not described in openapi-operations.ts`);
  const { operationId, tag, summary, description, problems } = operation;
  const route: Declared = { method, url, schema, ...(config && { config }) };
  return {
    url,
    schema: {
      ...{ operationId, tags: [tag], summary, description },
      security: config?.scope ? [{ apiKey: [] }] : [],
      ...publishedParameters(schema),
      ...(schema.body !== undefined && { body: bodyOf(schema.body) }),
      response: published({ ...successes(route, operation), ...problemAnswers(route, problems) }),
    },
  };
};

const bodyOf = (schema: unknown) => ({
  content: published({ 'application/json': { schema }, 'application/merge-patch+json': { schema } }),
});

/** The successes of a route, with those of the story as examples; 204 and 304 have no body. */
function successes(route: Declared, { success, headers }: Operation): Record<string, Answer> {
  return Object.fromEntries(
    Object.entries(route.schema.response ?? {}).map(([status, schema]) => {
      const told = story[`${route.method} ${route.url}`]?.[status];
      if (!told) throw new Error(`${route.method} ${route.url} has no example in openapi-story.ts`);
      return [
        status,
        {
          description: status === '304' ? 'The agent still has the entity tag that was sent' : success,
          headers: withExamples({ ...headersOfSuccess(route), ...headers }, told.headers),
          ...(isEmpty(status) ? { type: 'null' } : { content: { 'application/json': { schema, example: told.body } } }),
        },
      ];
    }),
  );
}

const withExamples = (headers: AnswerHeaders, values: Readonly<Record<string, string>> = {}): AnswerHeaders =>
  Object.fromEntries(
    Object.entries(headers).map(([name, header]) => {
      const value = values[name];
      return [name, { ...header, ...(value !== undefined && { examples: [value] }) }];
    }),
  );

const isEmpty = (status: string) => status === '204' || status === '304';
