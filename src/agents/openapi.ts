import { type Described, type Headers, onePage } from '../openapi/described.ts';
import { ids } from '../openapi/ids.ts';
import { changed, changedFields, created } from './examples.ts';
import { requiredFields } from './fields.ts';
import { patchInWords } from './patch-tables.ts';

const agentHeaders: Headers = {
  ETag: { description: 'The version of the agent in double quotes, to be sent as If-Match' },
  'Agent-Phone-Number-Id': { description: 'The id of the phone number for calls from the agent, if it has one' },
};

const replayHeaders: Headers = {
  'Idempotent-Replayed': {
    enum: ['true'],
    description: 'Present if this answer repeats an earlier one and nothing was changed again',
  },
};

export const changeHeaders: Headers = {
  ...agentHeaders,
  ...replayHeaders,
  'Changed-Fields': { description: 'The fields whose values changed, separated by commas; empty if none did' },
  'Dry-Run': { enum: ['true'], description: 'Present if the change was only tried' },
};

/** Of the agent at version 2. */
const headers = { ETag: '"2"', 'Agent-Phone-Number-Id': ids.phoneNumber };

export const retryInWords =
  'With an `Idempotency-Key` the request can be retried safely: for 24 hours, the same request with the same key gets the ' +
  'same answer and changes nothing again.';

export const dryRunInWords =
  'With `dryRun=true` all checks are made and the answer shows the agent as it would become, but nothing is written.';

export const createAgent: Described = {
  operationId: 'createAgent',
  tags: ['Agents'],
  summary: 'Create an agent',
  description:
    `Creates an agent of the company. ${requiredFields.map((name) => `\`${name}\``).join(', ')} are required. The other ` +
    'fields may be left out, or be `null` where an update accepts it. Limits are those of an update. `type: PHONE` needs ' +
    `\`companyPhoneNumberId\`. ${retryInWords}`,
  successes: {
    201: {
      description: 'The agent as committed, at version 1',
      headers: { ...agentHeaders, ...replayHeaders, Location: { description: 'The path of the agent' } },
      example: { headers: { ETag: '"1"', Location: `/agents/${ids.agent}` }, body: created },
    },
  },
};

export const listAgents: Described = {
  operationId: 'listAgents',
  tags: ['Agents'],
  summary: 'List agents',
  description: 'The agents of the company, the newest first. Lists only the agents that match all given filters.',
  successes: { 200: { description: 'One page of agents', example: { body: onePage(changed) } } },
};

export const getAgent: Described = {
  operationId: 'getAgent',
  tags: ['Agents'],
  summary: 'Get an agent',
  description: 'The stored agent. With `If-None-Match` the answer is 304 while the version is still the same.',
  successes: {
    200: { description: 'The agent', headers: agentHeaders, example: { headers, body: changed } },
    304: {
      description: 'The agent still has the entity tag that was sent',
      headers: agentHeaders,
      example: { headers },
    },
  },
};

export const updateAgent: Described = {
  operationId: 'updateAgent',
  tags: ['Agents'],
  summary: 'Update an agent',
  description:
    'Changes the fields in the body; the other fields keep their values. A patch is applied completely or not at all. A ' +
    'patch whose result equals what is stored changes nothing, not even the version. ' +
    `${dryRunInWords} ${retryInWords}\n\n${patchInWords}`,
  successes: {
    200: {
      description: 'The agent as committed',
      headers: changeHeaders,
      example: { headers: { ...headers, 'Changed-Fields': changedFields.join(', ') }, body: changed },
    },
  },
};

export const deleteAgent: Described = {
  operationId: 'deleteAgent',
  tags: ['Agents'],
  summary: 'Delete an agent',
  description: 'Deletes the agent: all later requests for it are answered 404. A body is ignored.',
  successes: { 204: { description: 'The agent is deleted', example: {} } },
};
