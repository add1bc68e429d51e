import type { ProblemCode } from '../errors.ts';
import type { AnswerHeaders } from '../openapi/problems.ts';
import { patchInWords } from './patch-tables.ts';

/** What the document says of a route beside its schemas. */
export interface Operation {
  readonly operationId: string;
  readonly tag: 'Agents' | 'History' | 'Directory' | 'Health';
  readonly summary: string;
  readonly description: string;
  /** What a success means. */
  readonly success: string;
  /** Headers of a success. */
  readonly headers?: AnswerHeaders;
  /** Problems that neither the scope nor the schema of the route shows. */
  readonly problems?: readonly ProblemCode[];
}

const text = (description: string) => ({ type: 'string', description }) as const;
const isTrue = (description: string) => ({ type: 'string', enum: ['true'], description }) as const;

const agentHeaders: AnswerHeaders = {
  ETag: text("The agent's version in quotes, to be sent as If-Match"),
  'Agent-Phone-Number-Id': text('The id of the phone number for calls from the agent, where it has one'),
};

const replayHeaders: AnswerHeaders = {
  'Idempotent-Replayed': isTrue('Where the request was answered before and nothing was changed again'),
};

const changeHeaders: AnswerHeaders = {
  ...agentHeaders,
  ...replayHeaders,
  'Changed-Fields': text('The fields that got another value, separated by commas; empty where nothing changed'),
  'Dry-Run': isTrue('Where the change was only tried'),
};

const retry =
  ' With an `Idempotency-Key` the request can be sent again without a second change: within 24 hours the same request gets ' +
  'the same answer.';

const dryRun =
  ' With `dryRun=true` every check is made and the answer shows the agent as it would be, but nothing is written.';

export const operations: Readonly<Record<string, Operation>> = {
  'POST /agents': {
    operationId: 'createAgent',
    tag: 'Agents',
    summary: 'Create an agent',
    description:
      'Makes an agent of the company. `name`, `type`, `focus`, `language` and `duration` are required; the limits of all ' +
      'fields are those of an update, and `null`, where an update takes it, is the same as none. `type: PHONE` needs ' +
      '`companyPhoneNumberId`.' +
      retry,
    success: 'The agent as committed, at version 1',
    headers: { ...agentHeaders, ...replayHeaders, Location: text('The path of the agent') },
  },
  'GET /agents': {
    operationId: 'listAgents',
    tag: 'Agents',
    summary: 'List agents',
    description: 'The agents of the company, the newest first. Every filter that is given must hold.',
    success: 'One page of agents',
  },
  'GET /agents/:id': {
    operationId: 'getAgent',
    tag: 'Agents',
    summary: 'Get an agent',
    description: 'The agent as it is stored. `If-None-Match` answers 304 while the version is the same.',
    success: 'The agent',
    headers: agentHeaders,
  },
  'PATCH /agents/:id': {
    operationId: 'updateAgent',
    tag: 'Agents',
    summary: 'Update an agent',
    description:
      'Changes the fields that the body holds; the others keep their values. A patch is applied whole or not at all; one ' +
      'whose result equals what is stored changes nothing, not even the version.' +
      dryRun +
      retry +
      `\n\n${patchInWords}`,
    success: 'The agent as committed',
    headers: changeHeaders,
  },
  'DELETE /agents/:id': {
    operationId: 'deleteAgent',
    tag: 'Agents',
    summary: 'Delete an agent',
    description: 'Deletes the agent for everybody: every later request on it is answered 404. A body is not read.',
    success: 'The agent is deleted',
  },
  'GET /agents/:id/versions': {
    operationId: 'listAgentVersions',
    tag: 'History',
    summary: 'List the versions of an agent',
    description: 'Who changed which fields, and when: one entry for each version, the newest first.',
    success: 'One page of the history',
  },
  'GET /agents/:id/versions/:version': {
    operationId: 'getAgentVersion',
    tag: 'History',
    summary: 'Get a version of an agent',
    description: "The agent as that version's answer showed it, with `companyPhoneNumberId` beside it.",
    success: 'The agent as it was',
  },
  'GET /agents/:id/versions/:version/diff': {
    operationId: 'compareAgentVersions',
    tag: 'History',
    summary: 'Compare two versions of an agent',
    description:
      'What differs between the version and the one in `to`, field by field; inside `metadata` by JSON pointer ' +
      '(RFC 6901). A side where there was nothing is absent.',
    success: 'The differences',
  },
  'POST /agents/:id/versions/:version/restore': {
    operationId: 'restoreAgentVersion',
    tag: 'History',
    summary: 'Restore a version of an agent',
    description:
      'Gives the agent the content of that version, as a new version. Its phone number must still be active, unless the ' +
      'agent has it. A value outside the enumerations of today is accepted. A body is not read.' +
      dryRun +
      retry,
    success: 'The agent as committed',
    headers: changeHeaders,
  },
  'GET /phone-numbers': {
    operationId: 'listPhoneNumbers',
    tag: 'Directory',
    summary: 'List phone numbers',
    description: 'The active phone numbers of the company, the oldest first: what `companyPhoneNumberId` takes.',
    success: 'One page of phone numbers',
  },
  'GET /companies': {
    operationId: 'listCompanies',
    tag: 'Directory',
    summary: 'List companies',
    description:
      'The companies that the API key can act for, the oldest first: those that an ATS manages, or a company key’s own.',
    success: 'One page of companies',
  },
  'GET /health/live': {
    operationId: 'getLiveness',
    tag: 'Health',
    summary: 'Is the process alive?',
    description: 'Answers while the event loop turns; never asks the database.',
    success: 'The process is alive',
  },
  'GET /health/ready': {
    operationId: 'getReadiness',
    tag: 'Health',
    summary: 'Can requests be sent here?',
    description: 'Asks the database, and whether a migration is pending. Fails from the beginning of a shutdown on.',
    success: 'Requests can be sent here',
    problems: ['DATABASE_UNAVAILABLE'],
  },
};
