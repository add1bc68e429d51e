import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { companyQuerySchema } from '../auth/schema.ts';
import { matchesWeakly } from '../http/entity-tag.ts';
import { retryHeadersSchema } from '../http/idempotency-key.schema.ts';
import { setReplayHeader } from '../http/idempotency-key.ts';
import { pageStream, sendStream } from '../http/page-stream.ts';
import { toPage } from '../http/pages.ts';
import { setAgentHeaders, setChangeHeaders, toSerialize } from './answer.ts';
import { createAgent, deleteAgent, getAgent, listAgents, updateAgent } from './openapi.ts';
import {
  agentListQuerySchema,
  agentParamsSchema,
  changeHeadersSchema,
  changeQuerySchema,
  deleteHeadersSchema,
  readHeadersSchema,
} from './request.schema.ts';
import { agentDraftSchema, agentPatchSchema, agentSchema } from './schema.ts';
import type { AgentService } from './service.ts';

/** The routes of agents: each calls one use case. Registered in the authenticated scope. */
export const agentRoutes: FastifyPluginAsyncTypebox<{ agents: AgentService }> = async (app, { agents }) => {
  app.patch(
    '/agents/:id',
    {
      config: { scope: 'write:agents', idOf: 'agent' },
      schema: {
        ...updateAgent,
        params: agentParamsSchema,
        querystring: changeQuerySchema,
        headers: changeHeadersSchema,
        body: agentPatchSchema,
      },
    },
    async ({ caller, agentId: id, query, preconditions, body, readAhead, idempotency }, reply) => {
      const target = { id, readAhead, preconditions, dryRun: query.dryRun, idempotency };
      const changed = await agents.update(caller, target, body);
      setChangeHeaders(reply, changed, query.dryRun);
      return toSerialize(changed.agent);
    },
  );

  app.post(
    '/agents',
    {
      config: { scope: 'write:agents' },
      schema: { ...createAgent, querystring: companyQuerySchema, headers: retryHeadersSchema, body: agentDraftSchema },
    },
    async ({ caller, body, idempotency }, reply) => {
      const { agent, replayed } = await agents.create(caller.companyId, body, caller, idempotency);
      const location = `${app.publicUrl.base}/agents/${agent.id}`;
      reply.code(201).header('location', location);
      setAgentHeaders(reply, agent);
      setReplayHeader(reply, replayed);
      return toSerialize(agent);
    },
  );

  app.get(
    '/agents',
    { config: { scope: 'read:agents' }, schema: { ...listAgents, querystring: agentListQuerySchema } },
    async ({ caller, query }, reply) => {
      const { agents: listed, rest, total, page } = await agents.list(caller, query);
      const first = toPage({ items: listed.map(toSerialize), total, page });
      if (rest.length === 0) return first;
      const read = async (ids: readonly string[]) => {
        const portion = await agents.portion(caller, ids);
        return { items: portion.agents.map(toSerialize), rest: portion.rest };
      };
      return sendStream(reply, pageStream({ ...first, rest }, read, reply.compileSerializationSchema(agentSchema)));
    },
  );

  app.get(
    '/agents/:id',
    {
      config: { scope: 'read:agents', idOf: 'agent' },
      schema: { ...getAgent, params: agentParamsSchema, querystring: companyQuerySchema, headers: readHeadersSchema },
    },
    async ({ caller, preconditions: { ifNoneMatch = [] }, readAhead }, reply) => {
      const agent = agents.get(caller, readAhead);
      setAgentHeaders(reply, agent);
      return matchesWeakly(ifNoneMatch, agent.version) ? reply.code(304).send() : toSerialize(agent);
    },
  );

  app.delete(
    '/agents/:id',
    {
      config: { scope: 'delete:agents', idOf: 'agent' },
      schema: {
        ...deleteAgent,
        params: agentParamsSchema,
        querystring: companyQuerySchema,
        headers: deleteHeadersSchema,
      },
    },
    async ({ caller, agentId: id, preconditions, readAhead }, reply) => {
      await agents.remove(caller, { id, readAhead, preconditions });
      return reply.code(204).send();
    },
  );
};
