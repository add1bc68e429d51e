import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyContextConfig } from 'fastify';
import { requestIdFormat } from '../http/exchange.ts';
import { problemSchema } from '../http/problems.ts';
import type { PublicUrl } from '../http/public-url.ts';
import { webhookRequests } from '../webhooks/events.openapi.ts';
import { propertiesOf, type Route, withKey } from './checks.ts';
import { headerReferences, rateLimitHeaders } from './headers.ts';
import { type Components, problemResponses } from './problems.ts';
import { publish } from './schemas.ts';

/**
 * Options of @fastify/swagger for the routes of one server: `transform` describes a route, and `transformObject` adds what
 * routes have in common, as references to components.
 */
export function describeRoutes({
  base,
  prefix,
}: PublicUrl): Required<Pick<FastifyDynamicSwaggerOptions, 'transform' | 'transformObject'>> {
  const components: Components = { schemas: {}, responses: {}, examples: {} };
  const routes = new Map<string, Route>();
  publish(problemSchema, components.schemas);

  return {
    transform: ({ schema, url, route: { method, config = {} } }) => {
      if (schema.hide) return { schema, url };
      const { operationId, headers, unvalidatedHeaders, response } = schema;
      const name = `${String(method)} ${url}`;
      if (!operationId) throw new Error(`${name} is not described: give its schema a description from an openapi.ts`);
      routes.set(operationId, { method, url, config, schema });
      const described = {
        ...schema,
        description: [schema.description, scopeInWords(config)].filter(Boolean).join('\n\n'),
        ...securityOf(config),
        headers: {
          type: 'object',
          properties: { ...capitalised(propertiesOf(headers ?? unvalidatedHeaders)), 'X-Request-Id': requestId },
        },
        consumes: ['application/json', 'application/merge-patch+json'],
        response: Object.fromEntries(
          Object.entries(response ?? {}).map(([status, answer]) => [
            status,
            responseOf(answer, `${name} ${status}`, base),
          ]),
        ),
      };
      return { url, schema: publish(described, components.schemas) };
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) throw new Error('the document must be OpenAPI 3.1');
      const { openapiObject } = document;
      for (const { operationId, responses, requestBody } of operationsIn(openapiObject.paths)) {
        const route = routes.get(operationId);
        if (!route) continue;
        const { bodyExamples: examples } = route.schema;
        if (examples) for (const media of Object.values(requestBody?.content ?? {})) Object.assign(media, { examples });
        const common = headerReferences(['X-Request-Id', ...(withKey(route) ? rateLimitHeaders : [])]);
        for (const response of Object.values(responses)) response.headers = { ...common, ...response.headers };
        Object.assign(responses, problemResponses(route, components, prefix));
      }
      Object.assign(openapiObject, { webhooks: publish(webhookRequests, components.schemas) });
      Object.assign(openapiObject.components ?? {}, components);
      return openapiObject;
    },
  };
}

/**
 * Which key an operation needs: none, any, or one with a scope. The scope is an extension, since linters allow names in
 * `security` for OAuth and OpenID Connect only.
 */
function securityOf({ scope }: NonNullable<Route['config']>) {
  if (!scope) return { security: [] };
  return { security: [{ apiKey: [] }], ...(scope !== 'any' && { 'x-scope': scope }) };
}

/** The scope that a key needs, for readers of the reference page, which does not show it otherwise. */
const scopeInWords = ({ scope }: FastifyContextConfig) =>
  scope === undefined || scope === 'any' ? '' : `Scope: \`${scope}\`.`;

/** The header X-Request-Id. */
const requestId = {
  type: 'string',
  pattern: requestIdFormat.source,
  description:
    'An id for the request, repeated in the answer and in the log. One that does not match the pattern, or holds an API key, ' +
    'is replaced.',
};

/** Headers by their usual names: in a route's schema they are in lower case. */
const capitalised = (headers: object) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, schema]) => [
      name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
      schema,
    ]),
  );

/** The schema of a successful answer in a route: the schema of its body, with these members added. */
interface Success {
  readonly type?: string;
  readonly description?: string;
  /** Whether clients that prefer it get HTML. */
  readonly isPageToo?: boolean;
  readonly headers?: Readonly<Record<string, { readonly examples?: readonly string[] }>>;
  readonly examples?: readonly object[];
}

/** A response in the form that @fastify/swagger takes beside plain schemas. @throws Error that names one not described */
function responseOf(success: Success, name: string, base: string) {
  const {
    description,
    headers: { Location, ...others } = {},
    examples: [example] = [],
    isPageToo,
    ...schema
  } = success;
  const location = Location && { ...Location, examples: Location.examples?.map((path) => base + path) };
  const headers = { ...others, ...(location && { Location: location }) };
  const hasBody = schema.type !== 'null';
  if (!description || (hasBody && !example))
    throw new Error(`${name} is not described: it needs a description and an example`);
  const page = isPageToo && { 'text/html': { schema: { type: 'string' } } };
  const content = { 'application/json': { schema, example }, ...page };
  return { description, headers, ...(hasBody ? { content } : schema) };
}

/** The members of an operation that are completed once all routes are described. */
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { headers?: object }>>;
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> };
}

const operationsIn = (paths: object = {}): Operation[] => Object.values(paths).flatMap((item) => Object.values(item));
