import { randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import pg from 'pg';
import { toSerialize } from '../../src/agents/answer.ts';
import type { AgentContent } from '../../src/agents/fields.ts';
import type { StoredAgent } from '../../src/agents/row.ts';
import { agentSchema } from '../../src/agents/schema.ts';
import { entityTag } from '../../src/http/entity-tag.ts';
import { agentMissing } from '../../src/http/particular-problems.ts';
import { ApiError } from '../../src/http/problems.ts';
import { logRequests } from './log.ts';
import { type Admitted, admit, environment, keyHash, readPatch, requireId, type StoredKey } from './peer.ts';
import { agentSql, existsSql, keySql, patchSql } from './statements.ts';

// The fastest way to handle requests one at a time: two prepared statements for each, of which one writes the change
// and its history entry. No ORM.

const secret = environment('API_KEY_SECRET');
const pool = new pg.Pool({ connectionString: environment('DATABASE_URL'), max: 10 });
const app = fastify({ genReqId: () => randomUUID() });
const callers = new WeakMap<object, Admitted>();

app.addHook('onRequest', async (request, reply) => {
  reply.header('x-request-id', request.id);
  const hash = keyHash(request.headers.authorization, secret);
  const { rows } = await pool.query<StoredKey>({ name: 'key', text: keySql, values: [hash] });
  callers.set(request, admit(rows[0], request.method === 'GET' ? 'read:agents' : 'write:agents'));
});
logRequests(app, (request) => callers.get(request));

app.get<{ Params: { id: string } }>(
  '/agents/:id',
  { schema: { response: { 200: agentSchema } } },
  async (request, reply) => {
    requireId(request.params.id);
    const { rows } = await pool.query<StoredAgent & AgentContent>({
      name: 'agent',
      text: agentSql,
      values: [request.params.id],
    });
    const [agent] = rows;
    if (!agent) throw agentMissing();
    if (agent.companyId !== callers.get(request)?.companyId) throw new ApiError('RESOURCE_ACCESS_DENIED');
    reply.header('etag', entityTag(agent.version));
    return toSerialize({ ...agent, content: agent });
  },
);

app.patch<{ Params: { id: string } }>(
  '/agents/:id',
  { schema: { response: { 200: agentSchema } } },
  async (request, reply) => {
    const patch = readPatch(request.params.id, request.body);
    const caller = callers.get(request);
    const values = [request.params.id, caller?.companyId, JSON.stringify(patch), caller?.keyId, request.id, request.ip];
    const { rows } = await pool.query<StoredAgent & AgentContent>({ name: 'patch', text: patchSql, values });
    const [agent] = rows;
    if (!agent) throw (await exists(request.params.id)) ? new ApiError('RESOURCE_ACCESS_DENIED') : agentMissing();
    reply.header('etag', entityTag(agent.version));
    return toSerialize({ ...agent, content: agent });
  },
);

app.setErrorHandler((error, request, reply) => {
  if (!(error instanceof ApiError)) throw error;
  return reply
    .code(error.status)
    .headers(error.headers)
    .type('application/problem+json')
    .send(JSON.stringify(error.problem(request.url, request.id)));
});

async function exists(id: string): Promise<boolean> {
  const { rowCount } = await pool.query({ name: 'exists', text: existsSql, values: [id] });
  return rowCount !== 0;
}

console.log(`Listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
