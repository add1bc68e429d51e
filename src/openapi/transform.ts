import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import { problemSchema } from '../errors.ts';
import { propertiesOf, type Route, withKey } from './checks.ts';
import type { Success } from './described.ts';
import { headerReferences, rateLimitHeaders } from './headers.ts';
import { type Components, problemResponses } from './problems.ts';
import { publish } from './schemas.ts';

/**
 * Options of @fastify/swagger that describe the routes of one server: `transform` what a route says itself,
 * `transformObject` what it has in common with others, by reference to components.
 */
export function describeRoutes(): Required<Pick<FastifyDynamicSwaggerOptions, 'transform' | 'transformObject'>> {
  const components: Components = { schemas: {}, responses: {}, examples: {} };
  const routes = new Map<string, Route>();
  const published = (schema: unknown) => publish(schema, components.schemas);
  published(problemSchema);

  return {
    transform: ({ schema, url, route: { method, config = {} } }) => {
      if (schema.hide) return { schema, url };
      const route: Route = { method, url, config, schema };
      const response = Object.fromEntries(
        successesOf(route).map(([status, success, body]) => [status, responseOf(success, published(body))]),
      );
      routes.set(String(schema.operationId), route);
      return {
        url,
        schema: {
          ...schema,
          security: config.scope ? [{ apiKey: [config.scope] }] : [],
          ...parametersOf(schema, published),
          ...(schema.body !== undefined && { body: published(schema.body) }),
          consumes: ['application/json', 'application/merge-patch+json'],
          response,
        },
      };
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) throw new Error('the document must be OpenAPI');
      const { openapiObject } = document;
      for (const operation of operationsIn(openapiObject.paths)) {
        const route = routes.get(operation.operationId);
        if (!route) continue;
        const common = headerReferences(['X-Request-Id', ...(withKey(route) ? rateLimitHeaders : [])]);
        for (const response of Object.values(operation.responses))
          response.headers = { ...common, ...response.headers };
        Object.assign(operation.responses, problemResponses(route, components));
        operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/X-Request-Id' }];
      }
      Object.assign(openapiObject.components ?? {}, components);
      return openapiObject;
    },
  };
}

/** @throws Error that names a route whose description lacks something */
function successesOf({ method, url, schema }: Route): (readonly [status: string, Success, body: unknown])[] {
  const { operationId, successes = {}, response } = schema;
  const name = `${String(method)} ${url}`;
  if (!operationId) throw new Error(`${name} is not described: give its schema a description from an openapi.ts`);
  return Object.entries(response ?? {}).map(([status, body]) => {
    const success = successes[Number(status)];
    if (!success) throw new Error(`${name} is not described: its \`successes\` lack ${status}`);
    return [status, success, body];
  });
}

/** A response in the form that @fastify/swagger takes beside plain schemas. 204 and 304 have no body. */
function responseOf({ description, headers = {}, example }: Success, schema: unknown) {
  const values = example.headers ?? {};
  return {
    description,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, header]) => {
        const value = values[name];
        return [name, { type: 'string', ...header, ...(value !== undefined && { examples: [value] }) }];
      }),
    ),
    ...(example.body ? { content: { 'application/json': { schema, example: example.body } } } : { type: 'null' }),
  };
}

/** Path, query and headers. A schema has the names of headers in lower case; here they are as usually written. */
function parametersOf(
  { params, querystring, headers }: FastifySchema,
  published: (schema: unknown) => unknown,
): FastifySchema {
  const capitals = (name: string) => name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
  const named = Object.entries(propertiesOf(headers)).map(([name, schema]) => [capitals(name), schema]);
  return {
    ...(params !== undefined && { params: published(params) }),
    ...(querystring !== undefined && { querystring: published(querystring) }),
    ...(named.length > 0 && { headers: published({ type: 'object', properties: Object.fromEntries(named) }) }),
  };
}

/** What is completed of an operation once all routes are described. */
interface Operation {
  readonly operationId: string;
  parameters?: object[];
  readonly responses: Readonly<Record<string, { headers?: object }>>;
}

const operationsIn = (paths: object = {}): Operation[] => Object.values(paths).flatMap((item) => Object.values(item));
