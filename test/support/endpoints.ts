import type { Scope } from '../../src/auth/api-key.ts';

/** A request that succeeds with the right key; all tests of endpoints send it. */
export interface Endpoint {
  /** Method and path; `:id` stands for an agent or a webhook endpoint, `:deliveryId` for a delivery of that. */
  readonly line: string;
  /** `any`: any scopes, or none. */
  readonly scope: Scope | 'any';
  /** The status of the success. */
  readonly status: number;
  readonly body?: object;
}

/** The requests for one agent. Reads first, the deletion last: each leaves the agent as the next one needs it. */
export const onAgent: readonly Endpoint[] = [
  { line: 'GET /agents/:id', scope: 'read:agents', status: 200 },
  { line: 'GET /agents/:id/versions', scope: 'read:agents', status: 200 },
  { line: 'GET /agents/:id/versions/1', scope: 'read:agents', status: 200 },
  { line: 'GET /agents/:id/versions/1/diff', scope: 'read:agents', status: 200 },
  { line: 'PATCH /agents/:id', scope: 'write:agents', status: 200, body: { name: 'Reached' } },
  { line: 'POST /agents/:id/versions/1/restore', scope: 'write:agents', status: 200 },
  { line: 'DELETE /agents/:id', scope: 'delete:agents', status: 204 },
];

/** The required fields of a new agent. */
export const draft = { name: 'Drafted', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 } as const;

/** The requests for one company. */
export const forCompany: readonly Endpoint[] = [
  { line: 'GET /agents', scope: 'read:agents', status: 200 },
  { line: 'GET /phone-numbers', scope: 'read:agents', status: 200 },
  { line: 'POST /agents', scope: 'write:agents', status: 201, body: draft },
];

export const forAnyCompany: readonly Endpoint[] = [
  { line: 'GET /companies', scope: 'read:agents', status: 200 },
  { line: 'GET /api-key', scope: 'any', status: 200 },
];

/** The requests for one webhook endpoint, the deletion last; `:deliveryId` is one of its deliveries. */
export const onWebhook: readonly (Endpoint & { readonly scope: Scope })[] = [
  { line: 'GET /webhooks/:id', scope: 'read:webhooks', status: 200 },
  { line: 'GET /webhooks/:id/deliveries', scope: 'read:webhooks', status: 200 },
  { line: 'PATCH /webhooks/:id', scope: 'write:webhooks', status: 200, body: { description: 'Reached' } },
  { line: 'POST /webhooks/:id/ping', scope: 'write:webhooks', status: 202 },
  { line: 'POST /webhooks/:id/deliveries/:deliveryId/redeliver', scope: 'write:webhooks', status: 202 },
  { line: 'POST /webhooks/:id/rotate-secret', scope: 'write:webhooks', status: 200 },
  { line: 'DELETE /webhooks/:id', scope: 'write:webhooks', status: 204 },
];

/** The requests for one company or one integration. */
export const forOwner: readonly (Endpoint & { readonly scope: Scope })[] = [
  { line: 'GET /webhooks', scope: 'read:webhooks', status: 200 },
  {
    ...{ line: 'POST /webhooks', scope: 'write:webhooks', status: 201 },
    body: { url: 'https://hooks.example.com/agents', events: ['*'] },
  },
];

/** All requests that need a key; of each path the deletion last. */
export const withKey: readonly Endpoint[] = [...onAgent, ...forCompany, ...forAnyCompany, ...onWebhook, ...forOwner];

/** The requests that need no key. */
export const health: readonly Pick<Endpoint, 'line' | 'status'>[] = [
  { line: 'GET /health/live', status: 200 },
  { line: 'GET /health/ready', status: 200 },
];

/** A code in the form of a path. */
export const explained = 'validation-failed';

/** The explanation of a problem, which needs no key; `:code` stands for the code. */
export const explanations: readonly Pick<Endpoint, 'line' | 'status'>[] = [
  { line: 'GET /problems/:code', status: 200 },
];

/** The path of a request, without its query. */
export const pathOf = (line: string) => line.replace(/^\S+ /, '').replace(/\?.*$/, '');
