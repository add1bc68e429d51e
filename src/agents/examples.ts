import { type AgentContent, type Answered, agentFields, answeredFields, initialContent, record } from './fields.ts';
import type { AgentAnswer, AgentDraft, AgentPatch } from './schema.ts';

/** The ids in all examples. */
export const ids = {
  agent: '123e4567-e89b-12d3-a456-426614174000',
  company: '9b2d4f6a-1c3e-4a5b-8d7f-0e1a2b3c4d5e',
  phoneNumber: '4a7c9e1b-2d5f-4b8a-9c3e-6f1d8b2a5c70',
  key: 'c5e81f3a-7b2d-4c96-8a1e-3d5f9b7c2e14',
  request: '6f1c2d7e-5b0a-4c55-9d0e-2f3b8a1c4e90',
} as const;

/** What a request was answered by, under the status: the body, and the headers that are not on every answer. */
type Scene = Readonly<Record<string, { readonly headers?: Readonly<Record<string, string>>; readonly body?: object }>>;

const draft: AgentDraft = {
  name: 'Frontend Developer Interview',
  type: 'ONLINE',
  focus: 'SCREENING',
  language: 'EN',
  duration: 30,
  questions: ['What is your experience with React?'],
  instructions: 'Ask for an example of each skill',
  metadata: { department: 'Engineering', team: 'Web', tags: ['remote', 'senior'] },
};

const patch: AgentPatch = {
  companyPhoneNumberId: ids.phoneNumber,
  duration: 45,
  voiceId: 'EMMA',
  instructions: null,
  metadata: { department: 'Product', team: null },
};

/** What answers show of fields that were never set. */
const unset = record<Pick<AgentContent, Answered>>(answeredFields, (name) => initialContent[name]);

const created: AgentAnswer = {
  ...unset,
  id: ids.agent,
  name: 'Frontend Developer Interview',
  type: 'ONLINE',
  focus: 'SCREENING',
  language: 'EN',
  duration: 30,
  createdAt: '2026-11-20T10:30:00.000Z',
  updatedAt: '2026-11-20T10:30:00.000Z',
  questions: ['What is your experience with React?'],
  instructions: 'Ask for an example of each skill',
  voiceId: null,
  companyId: ids.company,
  metadata: { department: 'Engineering', team: 'Web', tags: ['remote', 'senior'] },
  cefrLevel: null,
  backgroundSound: null,
};

const changed: AgentAnswer = {
  ...created,
  duration: 45,
  updatedAt: '2026-11-20T10:31:07.042Z',
  instructions: null,
  voiceId: 'EMMA',
  metadata: { department: 'Product', tags: ['remote', 'senior'] },
};

const changedFields = ['instructions', 'duration', 'voiceId', 'companyPhoneNumberId', 'metadata'];
const firstVersion = {
  version: 1,
  createdAt: created.createdAt,
  changedFields: agentFields,
  keyId: ids.key,
  requestId: 'd3a1b7f0-4c2e-4e59-8b6d-1f7a9c0e5d28',
  restoredFrom: null,
};
const secondVersion = {
  ...{ version: 2, createdAt: changed.updatedAt, changedFields, keyId: ids.key },
  ...{ requestId: ids.request, restoredFrom: null },
};

const differences = [
  { field: 'instructions', before: 'Ask for an example of each skill', after: null },
  { field: 'duration', before: 30, after: 45 },
  { field: 'voiceId', before: null, after: 'EMMA' },
  { field: 'companyPhoneNumberId', before: null, after: ids.phoneNumber },
  { field: 'metadata', pointer: '/department', before: 'Engineering', after: 'Product' },
  { field: 'metadata', pointer: '/team', before: 'Web' },
];

const onePage = (...data: object[]) => ({
  data,
  pagination: { total: data.length, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false },
});

const ofChanged = { ETag: '"2"', 'Agent-Phone-Number-Id': ids.phoneNumber };
const found = (body: object): Scene => ({ 200: { body } });

/**
 * What a company does with an agent, in this order: the answers are the examples of the document, by the routes. A test
 * sends the requests to a server, which must give these answers but for ids and times.
 */
export const story: Readonly<Record<string, Scene>> = {
  'GET /health/live': found({ status: 'ok' }),
  'GET /health/ready': found({ status: 'ok' }),
  'GET /companies': found(onePage({ id: ids.company, name: 'Example company' })),
  'GET /phone-numbers': found(
    onePage({
      ...{ id: ids.phoneNumber, number: '+12025550123', companyId: ids.company, status: 'ACTIVE' },
      createdAt: '2026-11-20T10:29:00.000Z',
    }),
  ),
  'POST /agents': { 201: { headers: { Location: `/agents/${ids.agent}`, ETag: '"1"' }, body: created } },
  'PATCH /agents/:id': {
    200: { headers: { ...ofChanged, 'Changed-Fields': changedFields.join(', ') }, body: changed },
  },
  'GET /agents': found(onePage(changed)),
  'GET /agents/:id': { 200: { headers: ofChanged, body: changed }, 304: { headers: ofChanged } },
  'GET /agents/:id/versions': found(onePage(secondVersion, firstVersion)),
  'GET /agents/:id/versions/:version': found({ ...created, companyPhoneNumberId: null }),
  'GET /agents/:id/versions/:version/diff': found({ from: 1, to: 2, changes: differences }),
  'POST /agents/:id/versions/:version/restore': {
    200: {
      headers: { ETag: '"3"', 'Changed-Fields': changedFields.join(', ') },
      body: { ...created, updatedAt: '2026-11-20T10:32:19.518Z' },
    },
  },
  'DELETE /agents/:id': { 204: {} },
};

/** Of the schemas that have a name: the bodies of the requests, and an answer. */
export const examples: Readonly<Record<string, object>> = { Agent: changed, AgentDraft: draft, AgentPatch: patch };
