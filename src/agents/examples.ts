import { ids } from '../openapi/examples.ts';
import { type AgentContent, agentFields, answeredFields, initialContent, record } from './fields.ts';

// The examples of the document follow one agent: it is created, patched, and restored to version 1.

export const draft = {
  name: 'Frontend Developer Interview',
  type: 'ONLINE',
  focus: 'SCREENING',
  language: 'EN',
  duration: 30,
  questions: ['What is your experience with React?'],
  instructions: 'Ask for an example of each skill',
  metadata: { department: 'Engineering', team: 'Web', tags: ['remote', 'senior'] },
};

export const patch = {
  companyPhoneNumberId: ids.phoneNumber,
  duration: 45,
  voiceId: 'EMMA',
  instructions: null,
  metadata: { department: 'Product', team: null },
};

/** Patches that the reference page offers to send. */
export const patches = {
  fields: { summary: 'Change two fields', value: { duration: 45, voiceId: 'EMMA' } },
  clear: { summary: 'Clear a field', value: { instructions: null } },
  metadata: {
    summary: 'Merge metadata: one key is set, one removed, the others stay',
    value: { metadata: { department: 'Product', team: null } },
  },
  phone: {
    summary: 'Call candidates by phone',
    value: { type: 'PHONE', companyPhoneNumberId: ids.phoneNumber },
  },
  all: { summary: 'Several at once', value: patch },
};

/** What answers show of fields that were never set. */
const unset = record<Pick<AgentContent, (typeof answeredFields)[number]>>(
  answeredFields,
  (name) => initialContent[name],
);

/** The agent at version 1. */
export const created = {
  id: ids.agent,
  companyId: ids.company,
  createdAt: '2026-11-20T10:30:00.000Z',
  updatedAt: '2026-11-20T10:30:00.000Z',
  ...unset,
  ...draft,
};

/** The agent at version 2. */
export const changed = {
  ...created,
  updatedAt: '2026-11-20T10:31:07.042Z',
  duration: 45,
  voiceId: 'EMMA',
  instructions: null,
  metadata: { department: 'Product', tags: ['remote', 'senior'] },
};

/** The agent at version 3. */
export const restored = { ...created, updatedAt: '2026-11-20T10:32:19.518Z' };

/** The fields that the patch changes. */
export const changedFields = ['instructions', 'duration', 'voiceId', 'companyPhoneNumberId', 'metadata'];

const version = { keyId: ids.key, restoredFrom: null };
export const versions = [
  { ...version, version: 2, createdAt: changed.updatedAt, changedFields, requestId: ids.request },
  { ...version, version: 1, createdAt: created.createdAt, changedFields: agentFields, requestId: ids.firstRequest },
];
