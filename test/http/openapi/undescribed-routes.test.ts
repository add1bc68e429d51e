import { Type } from '@sinclair/typebox';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { getAgent } from '../../../src/agents/openapi.ts';
import { agentSchema } from '../../../src/agents/schema.ts';
import { buildApp } from '../../../src/app.ts';
import { openDatabase } from '../../../src/database/client.ts';

/** Starts a server with one more route. It makes no query. */
async function startWith(schema: object) {
  const database = openDatabase({ url: 'postgresql://localhost', connections: 1 });
  const app = await buildApp({ database, secret: '', migrations: [], logger: pino({ level: 'silent' }) });
  onTestFinished(async () => {
    await app.close();
    await database.close();
  });
  app.get('/more', { schema }, async () => ({}));
  await app.ready();
}

test('a server does not start with a route that is not described, and names the route', async () => {
  await expect(startWith({ response: { 200: agentSchema } })).rejects.toThrow(
    new Error('GET /more is not described: give its schema a description from an openapi.ts'),
  );
});

test.for([
  { lacking: 'a description', success: { ...agentSchema, examples: [{}] } },
  { lacking: 'an example', success: { ...agentSchema, description: 'Without an example' } },
  { lacking: 'a description, and without a body', success: { type: 'null' } },
])('a server does not start with a documented success without $lacking, and names the route', async ({ success }) => {
  const schema = { ...getAgent, operationId: 'getMore', response: { ...getAgent.response, 202: success } };
  await expect(startWith(schema)).rejects.toThrow(
    new Error('GET /more 202 is not described: it needs a description and an example'),
  );
});

test('a server does not start with two schemas of one name', async () => {
  const other = { ...Type.Object({ id: Type.Boolean() }, { $id: 'Agent' }), description: 'Another', examples: [{}] };
  const schema = { ...getAgent, operationId: 'getMore', response: { 200: other } };
  await expect(startWith(schema)).rejects.toThrow(new Error('two schemas have the $id Agent'));
});
