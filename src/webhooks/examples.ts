import { agentFields } from '../agents/fields.ts';
import { ids } from '../openapi/examples.ts';

export const draft = {
  url: 'https://ats.example.com/hooks/agents',
  events: ['agent.created', 'agent.updated', 'agent.deleted'],
  description: 'Keeps the copy of the ATS up to date',
  headers: { Authorization: 'Basic YXRzOnNlY3JldA==' },
};

export const patch = { events: ['*'], headers: { 'X-Source': 'agents' } };

const times = { createdAt: '2026-11-29T03:00:00.000Z', updatedAt: '2026-11-29T03:00:00.000Z' };

/** The endpoint that POST with `draft` creates. */
export const created = {
  ...{ id: ids.webhook, url: draft.url, events: draft.events, description: draft.description },
  ...{ headerNames: ['authorization'], status: 'ENABLED', disabledReason: null, ...times },
  ...{ lastSuccessAt: null, lastFailureAt: null },
};
export const withSecret = { ...created, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' };

/** The same endpoint after PATCH with `patch`. */
export const changed = {
  ...created,
  ...{ events: patch.events, headerNames: ['authorization', 'x-source'], updatedAt: '2026-11-29T03:05:00.000Z' },
};

export const delivery = {
  ...{ id: ids.delivery, eventId: 'msg_2f6c1b8e4d3a4c5f9e7a0b1c2d3e4f5a', eventType: 'webhook.ping', agentId: null },
  ...{ version: null, status: 'PENDING', attempts: 0, nextAttemptAt: '2026-11-29T03:10:00.000Z' },
  ...{ lastStatus: null, lastError: null },
  createdAt: '2026-11-29T03:10:00.000Z',
};

const by = { requestId: ids.request, keyId: ids.key };
const agent = { agentId: ids.agent, companyId: ids.company };

/** `data` of each event. */
export const eventData = {
  created: { ...agent, version: 1, changedFields: agentFields, restoredFrom: null, ...by },
  updated: { ...agent, version: 7, changedFields: ['duration', 'metadata'], restoredFrom: null, ...by },
  deleted: { ...agent, version: 7, changedFields: [], restoredFrom: null, ...by },
  ping: { webhookId: ids.webhook, ...by },
};
export const eventTime = '2026-11-29T03:00:00.000Z';
