import { ids, onePage } from '../../openapi/examples.ts';
import { retryInWords } from '../../openapi/headers.ts';
import { changed, created, restored, versions } from '../examples.ts';
import { changeHeaders, dryRunInWords } from '../openapi.ts';
import { differences } from '../rules/diff.ts';
import { agentSchema } from '../schema.ts';
import { diffSchema, versionedAgentSchema, versionListSchema } from './schema.ts';

export const listAgentVersions = {
  operationId: 'listAgentVersions',
  tags: ['History'],
  summary: 'List the versions of an agent',
  description: 'Who changed which fields, and when: one entry for each version, the newest first.',
  response: { 200: { ...versionListSchema, description: 'One page of the history', examples: [onePage(...versions)] } },
};

const atVersion = { ...created, companyPhoneNumberId: null };

export const getAgentVersion = {
  operationId: 'getAgentVersion',
  tags: ['History'],
  summary: 'Get a version of an agent',
  description: 'The agent as it was at this version; unlike `GET /agents/{id}`, with `companyPhoneNumberId`.',
  response: { 200: { ...versionedAgentSchema, description: 'The agent at that version', examples: [atVersion] } },
};

const next = { ...changed, companyPhoneNumberId: ids.phoneNumber };
const comparison = { from: 1, to: 2, changes: differences(atVersion, next) };

export const compareAgentVersions = {
  operationId: 'compareAgentVersions',
  tags: ['History'],
  summary: 'Compare two versions of an agent',
  description:
    'The differences between this version and the one in `to`, field by field. Differences inside `metadata` have a JSON ' +
    'pointer (RFC 6901). `before` or `after` is absent if there was no value on that side.',
  response: { 200: { ...diffSchema, description: 'The differences', examples: [comparison] } },
};

export const restoreAgentVersion = {
  operationId: 'restoreAgentVersion',
  tags: ['History'],
  summary: 'Restore a version of an agent',
  description:
    'Gives the agent the content of that version, as a new version. The phone number of that version must still be active, ' +
    'unless the agent has the same one now. Values that are no longer in an enumeration are accepted. A body is ignored. ' +
    `${dryRunInWords} ${retryInWords}`,
  response: {
    200: { ...agentSchema, description: 'The agent as committed', headers: changeHeaders(3), examples: [restored] },
  },
};
