import { noBodySchema } from '../http/json-schema.ts';
import { ids, onePage } from '../openapi/examples.ts';
import { header, location, replayHeader, retryInWords } from '../openapi/headers.ts';
import { changed, changedFields, created, patches } from './examples.ts';
import { requiredFields } from './fields.ts';
import { patchInWords } from './patch.openapi.ts';
import { agentListSchema, agentSchema } from './schema.ts';

const agentHeaders = (version: number, phoneNumber?: string) => ({
  ETag: header('The version of the agent in double quotes, to be sent as If-Match', `"${version}"`),
  'Agent-Phone-Number-Id': header('The id of the phone number for calls from the agent, if it has one', phoneNumber),
});

/** The headers of a change of the fields that the patch of the examples changes. */
export const changeHeaders = (version: number, phoneNumber?: string) => ({
  ...agentHeaders(version, phoneNumber),
  ...replayHeader,
  'Changed-Fields': header(
    'The fields whose values changed, separated by commas; empty if none did',
    changedFields.join(', '),
  ),
  'Dry-Run': { ...header('Present if the change was only tried'), enum: ['true'] },
});

export const dryRunInWords =
  'With `dryRun=true` all checks are made and the answer shows the agent as it would become, but nothing is written.';

export const createAgent = {
  operationId: 'createAgent',
  tags: ['Agents'],
  summary: 'Create an agent',
  description:
    `Creates an agent of the company. ${requiredFields.map((name) => `\`${name}\``).join(', ')} are required. The other ` +
    'fields may be left out, or be `null` where an update accepts it. Limits are those of an update. `type: PHONE` needs ' +
    `\`companyPhoneNumberId\`. ${retryInWords}`,
  response: {
    201: {
      ...{ ...agentSchema, description: 'The agent as committed, at version 1', examples: [created] },
      headers: { ...agentHeaders(1), ...replayHeader, ...location('agent', `/agents/${ids.agent}`) },
    },
  },
};

export const listAgents = {
  operationId: 'listAgents',
  tags: ['Agents'],
  summary: 'List agents',
  description: 'The agents of the company, the newest first. Lists only the agents that match all given filters.',
  response: { 200: { ...agentListSchema, description: 'One page of agents', examples: [onePage(changed)] } },
};

const headers = agentHeaders(2, ids.phoneNumber);

export const getAgent = {
  operationId: 'getAgent',
  tags: ['Agents'],
  summary: 'Get an agent',
  description:
    'The stored agent. The id of its phone number is in the header `Agent-Phone-Number-Id`. With `If-None-Match` the answer is 304 while the version is still the same.',
  response: {
    200: { ...agentSchema, description: 'The agent', headers, examples: [changed] },
    304: { ...noBodySchema, description: 'The agent still has the entity tag that was sent', headers },
  },
};

export const updateAgent = {
  operationId: 'updateAgent',
  tags: ['Agents'],
  summary: 'Update an agent',
  description:
    'Changes the fields in the body; the other fields keep their values. Send only what changes: the read-only members ' +
    'of an answer (`id`, `companyId`, `createdAt`, `updatedAt`) are refused. A patch is applied completely or not at all. ' +
    'All faults are listed together; those that only the stored agent shows, of the phone number and the limits of merged ' +
    'metadata, follow once there are no others. A ' +
    'patch whose result equals what is stored changes nothing, not even the version. ' +
    `${dryRunInWords} ${retryInWords}\n\n${patchInWords}`,
  bodyExamples: patches,
  response: {
    200: {
      ...{ ...agentSchema, description: 'The agent as committed', examples: [changed] },
      headers: changeHeaders(2, ids.phoneNumber),
    },
  },
};

export const deleteAgent = {
  operationId: 'deleteAgent',
  tags: ['Agents'],
  summary: 'Delete an agent',
  description:
    'Deletes the agent: all later requests for it are answered 404, those apart whose answer is repeated for their ' +
    '`Idempotency-Key`. Its versions cannot be read any more. A body is ignored.',
  response: { 204: { ...noBodySchema, description: 'The agent is deleted' } },
};
