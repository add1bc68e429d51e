import type { SwaggerTransform } from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import type { ProblemCode } from '../errors.ts';
import type { Declared } from './openapi-checks.ts';
import { type Answer, type AnswerHeaders, problemAnswers, requestId } from './openapi-problems.ts';
import { published, publishedParameters } from './openapi-schemas.ts';

/** What the document says of a route beside its schemas. */
interface Operation {
  readonly operationId: string;
  readonly tag: 'Agents' | 'Health';
  readonly summary: string;
  readonly description: string;
  /** What a success means. */
  readonly success: string;
  /** Headers of a success. */
  readonly headers?: AnswerHeaders;
  /** Problems that neither the scope nor the schema of the route shows. */
  readonly problems?: readonly ProblemCode[];
}

const operations: Readonly<Record<string, Operation>> = {
  'PATCH /agents/:id': {
    operationId: 'updateAgent',
    tag: 'Agents',
    summary: 'Update an agent',
    description:
      'Changes the fields that the body holds; the others keep their values. `null` clears a field where it is accepted. ' +
      '`metadata` is merged by JSON Merge Patch (RFC 7396): objects merge at every depth, `null` removes a key, ' +
      'everything else replaces. A body with `type: PHONE` must hold `companyPhoneNumberId` too. A patch is applied ' +
      'whole or not at all; one whose result equals what is stored changes nothing, not even the version.',
    success: 'The agent as committed',
    headers: {
      ETag: { type: 'string', description: "The agent's version in quotes, to be sent as If-Match" },
      'Agent-Phone-Number-Id': {
        type: 'string',
        description: 'The id of the phone number for calls from the agent, where it has one',
      },
    },
  },
  'GET /health/live': {
    operationId: 'getLiveness',
    tag: 'Health',
    summary: 'Is the process alive?',
    description: 'Answers while the event loop turns; never asks the database.',
    success: 'The process is alive',
  },
  'GET /health/ready': {
    operationId: 'getReadiness',
    tag: 'Health',
    summary: 'Can requests be sent here?',
    description: 'Asks the database, and whether a migration is pending. Fails from the beginning of a shutdown on.',
    success: 'Requests can be sent here',
    problems: ['DATABASE_UNAVAILABLE'],
  },
};

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
      response: published({ ...successes(schema, operation), ...problemAnswers(route, problems) }),
    },
  };
};

const bodyOf = (schema: unknown) => ({
  content: published({ 'application/json': { schema }, 'application/merge-patch+json': { schema } }),
});

function successes({ response }: FastifySchema, { success, headers }: Operation): Record<string, Answer> {
  return Object.fromEntries(
    Object.entries(response ?? {}).map(([status, schema]) => [
      status,
      { description: success, headers: { ...requestId, ...headers }, content: { 'application/json': { schema } } },
    ]),
  );
}
