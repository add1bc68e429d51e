import { type Described, onePage } from '../../openapi/described.ts';
import { changedFields, created, differences, restored, versions } from '../examples.ts';
import { changeHeaders, dryRunInWords, retryInWords } from '../openapi.ts';

export const listAgentVersions: Described = {
  operationId: 'listAgentVersions',
  tags: ['History'],
  summary: 'List the versions of an agent',
  description: 'Who changed which fields, and when: one entry for each version, the newest first.',
  successes: { 200: { description: 'One page of the history', example: { body: onePage(...versions) } } },
};

export const getAgentVersion: Described = {
  operationId: 'getAgentVersion',
  tags: ['History'],
  summary: 'Get a version of an agent',
  description: 'The agent as the answer to that change showed it, and its `companyPhoneNumberId`.',
  successes: {
    200: { description: 'The agent at that version', example: { body: { ...created, companyPhoneNumberId: null } } },
  },
};

export const compareAgentVersions: Described = {
  operationId: 'compareAgentVersions',
  tags: ['History'],
  summary: 'Compare two versions of an agent',
  description:
    'The differences between this version and the one in `to`, field by field. Differences inside `metadata` have a JSON ' +
    'pointer (RFC 6901). `before` or `after` is absent if there was no value on that side.',
  successes: { 200: { description: 'The differences', example: { body: { from: 1, to: 2, changes: differences } } } },
};

export const restoreAgentVersion: Described = {
  operationId: 'restoreAgentVersion',
  tags: ['History'],
  summary: 'Restore a version of an agent',
  description:
    'Gives the agent the content of that version, as a new version. The phone number of that version must still be active, ' +
    'unless the agent has the same one now. Values that are no longer in an enumeration are accepted. A body is ignored. ' +
    `${dryRunInWords} ${retryInWords}`,
  successes: {
    200: {
      description: 'The agent as committed',
      headers: changeHeaders,
      example: { headers: { ETag: '"3"', 'Changed-Fields': changedFields.join(', ') }, body: restored },
    },
  },
};
