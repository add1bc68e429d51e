import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { entityTag } from '../entity-tag.ts';
import type { StoredAgent } from './agent.row.ts';
import {
  type AgentAnswer,
  agentParamsSchema,
  agentPatchSchema,
  agentSchema,
  companyQuerySchema,
  preconditionHeadersSchema,
} from './agent.schema.ts';
import type { AgentService } from './agent.service.ts';

/** The HTTP sentence of each use case: schema, call, status, headers. Registered in the authenticated scope. */
export const agentRoutes: FastifyPluginAsyncTypebox<{ agents: AgentService }> = async (app, { agents }) => {
  app.patch(
    '/agents/:id',
    {
      config: { scope: 'write:agents' },
      schema: {
        params: agentParamsSchema,
        querystring: companyQuerySchema,
        headers: preconditionHeadersSchema,
        body: agentPatchSchema,
        response: { 200: agentSchema },
      },
    },
    async ({ caller, params, body, headers, readAhead }, reply) => {
      const agent = await agents.update(caller, params.id.toLowerCase(), body, { preconditions: headers, readAhead });
      reply.header('etag', entityTag(agent.version));
      if (agent.companyPhoneNumberId) reply.header('agent-phone-number-id', agent.companyPhoneNumberId);
      return toAnswer(agent);
    },
  );
};

/** The agent on the wire: exactly the members of its schema. */
export function toAnswer({
  version,
  companyPhoneNumberId,
  createdAt,
  updatedAt,
  ...members
}: StoredAgent): AgentAnswer {
  return { ...members, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
