import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { agentParamsSchema, changeHeadersSchema, changeQuerySchema } from '../../src/agents/request.schema.ts';
import { agentPatchSchema } from '../../src/agents/schema.ts';
import { connections } from '../../src/http/connections.ts';
import { errorHandler } from '../../src/http/error-handler.ts';
import { httpServer } from '../../src/http/server.ts';
import { compile } from '../../src/http/validation.ts';
import { send } from '../support/http.ts';

const schemas = {
  path: agentParamsSchema,
  query: changeQuerySchema,
  header: changeHeadersSchema,
  body: agentPatchSchema,
};

type Part = keyof typeof schemas;

/** Counts the reads of the members of each part of a request. */
function counter() {
  const reads: Record<Part, number> = { path: 0, query: 0, header: 0, body: 0 };
  const watched = (part: Part, value: object) =>
    new Proxy(value, {
      get(target, name, receiver) {
        // Not counted: the route reads dryRun and idempotency-key as well.
        if (!(part === 'query' && name === 'dryRun') && name !== 'idempotency-key') reads[part] += 1;
        return Reflect.get(target, name, receiver);
      },
      ownKeys(target) {
        reads[part] += 1;
        return Reflect.ownKeys(target);
      },
    });
  return { reads, watched };
}

/** A valid and an invalid value of each part. */
const values: Readonly<Record<'right' | 'wrong', Readonly<Record<Part, object>>>> = {
  right: {
    path: { id: '5b0f7c0e-0c53-4d0b-9a53-0f8f2c9f7a11' },
    query: { companyId: 'a' },
    header: { 'if-match': '"7"' },
    body: { name: 'Before', questions: ['One?'], metadata: { a: 1 } },
  },
  wrong: {
    path: { id: 'none' },
    query: { companyId: 'a', other: '' },
    header: { 'if-match': '7' },
    body: { name: 'B', other: 1, questions: [1], metadata: { a: Number.POSITIVE_INFINITY } },
  },
};

const parts = ['path', 'query', 'header', 'body'] as const;
const requests: readonly (readonly Part[])[] = [[], ...parts.map((part) => [part]), ['path', 'body'], parts];

test.for(requests.map((wrong) => ({ wrong })))(
  'each part of a request is validated once, if the invalid parts are %j',
  async ({ wrong }) => {
    const kindOf = (part: Part) => (wrong.includes(part) ? 'wrong' : 'right');
    const validatedOnce = counter();
    for (const part of ['path', 'query', 'body'] as const) {
      compile(schemas[part], part)(validatedOnce.watched(part, { ...values[kindOf(part)][part] }));
    }

    const sent = counter();
    const partOf = (part: Part) => sent.watched(part, { ...values[kindOf(part)][part] });
    const app = httpServer(pino({ level: 'silent' }));
    onTestFinished(() => app.close());
    await app.register(errorHandler);
    await app.register(connections);
    app.patch(
      '/agents/:id',
      {
        schema: {
          params: schemas.path,
          querystring: schemas.query,
          headers: schemas.header,
          body: schemas.body,
        },
        preValidation: async (request) => {
          const header = partOf('header');
          Object.defineProperty(request, 'headers', { get: () => header });
          Object.assign(request, { params: partOf('path'), query: partOf('query'), body: partOf('body') });
        },
      },
      async (_, reply) => reply.code(204).send(),
    );
    const origin = await app.listen({ host: '127.0.0.1', port: 0 });
    const headers = { 'content-type': 'application/json' };
    const { status, body } = await send(origin, { path: '/agents/a', headers, body: '{}' });

    expect(status).toBe(wrong.length > 0 ? 400 : 204);
    const places = Object(body).errors?.map((fault: { in: Part }) => fault.in) ?? [];
    expect([...new Set(places)]).toEqual(wrong);
    // Headers are read by name: whether any of the two is there, then If-Match and If-None-Match.
    expect(sent.reads).toEqual({ ...validatedOnce.reads, header: 3 });
  },
);
