import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { companyQuerySchema } from '../../auth/schema.ts';
import { toPage } from '../../http/pages.ts';
import { setChangeHeaders, toSerialize } from '../answer.ts';
import { agentParamsSchema, changeHeadersSchema, changeQuerySchema } from '../request.schema.ts';
import { differences } from '../rules/diff.ts';
import type { AgentService } from '../service.ts';
import { compareAgentVersions, getAgentVersion, listAgentVersions, restoreAgentVersion } from './openapi.ts';
import { diffQuerySchema, versionListQuerySchema, versionParamsSchema } from './schema.ts';

/** The history of agents. Registered in the authenticated scope. */
export const agentVersionRoutes: FastifyPluginAsyncTypebox<{ agents: AgentService }> = async (app, { agents }) => {
  app.get(
    '/agents/:id/versions',
    {
      config: { scope: 'read:agents', idOf: 'agent' },
      schema: { ...listAgentVersions, params: agentParamsSchema, querystring: versionListQuerySchema },
    },
    async ({ caller, readAhead, query }) => toPage(await agents.history(caller, readAhead, query)),
  );

  app.get(
    '/agents/:id/versions/:version',
    {
      config: { scope: 'read:agents', idOf: 'agent', isLarge: true },
      schema: { ...getAgentVersion, params: versionParamsSchema, querystring: companyQuerySchema },
    },
    async ({ caller, readAhead, params }) => {
      const agent = await agents.version(caller, readAhead, Number(params.version));
      return toSerialize(agent);
    },
  );

  app.get(
    '/agents/:id/versions/:version/diff',
    {
      config: { scope: 'read:agents', idOf: 'agent', isLarge: true },
      schema: { ...compareAgentVersions, params: versionParamsSchema, querystring: diffQuerySchema },
    },
    async ({ caller, readAhead, params, query }) => {
      const to = query.to === undefined ? undefined : Number(query.to);
      const { before, after } = await agents.compare(caller, readAhead, Number(params.version), to);
      return { from: before.version, to: after.version, changes: differences(before.content, after.content) };
    },
  );

  app.post(
    '/agents/:id/versions/:version/restore',
    {
      config: { scope: 'write:agents', idOf: 'agent', isLarge: true },
      schema: {
        ...restoreAgentVersion,
        params: versionParamsSchema,
        querystring: changeQuerySchema,
        headers: changeHeadersSchema,
      },
    },
    async ({ caller, agentId: id, readAhead, params, query, preconditions, idempotency }, reply) => {
      const target = { id, readAhead, preconditions, dryRun: query.dryRun, idempotency };
      const changed = await agents.restore(caller, target, Number(params.version));
      setChangeHeaders(reply, changed, query.dryRun);
      return toSerialize(changed.agent);
    },
  );
};
