import type { Scope } from '../../src/auth/api-key.ts';

/** A request that succeeds with the right key, as the tests of all endpoints send it. */
export interface Endpoint {
  /** Method and path; `:id` stands for an agent. */
  readonly line: string;
  /** `any`: a key with any scopes, or none. */
  readonly scope: Scope | 'any';
  /** Of a success. */
  readonly status: number;
  readonly body?: object;
}

/** What can be done to one agent. The reads first, its deletion last: each leaves the agent as the next one needs it. */
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

/** What can be done for one company. */
export const forCompany: readonly Endpoint[] = [
  { line: 'GET /agents', scope: 'read:agents', status: 200 },
  { line: 'GET /phone-numbers', scope: 'read:agents', status: 200 },
  { line: 'POST /agents', scope: 'write:agents', status: 201, body: draft },
];

export const forAnyCompany: readonly Endpoint[] = [
  { line: 'GET /companies', scope: 'read:agents', status: 200 },
  { line: 'GET /api-key', scope: 'any', status: 200 },
];

/** What can be done to one webhook endpoint, its deletion last; `:deliveryId` is a delivery of it. */
export const onWebhook: readonly (Endpoint & { readonly scope: Scope })[] = [
  { line: 'GET /webhooks/:id', scope: 'read:webhooks', status: 200 },
  { line: 'GET /webhooks/:id/deliveries', scope: 'read:webhooks', status: 200 },
  { line: 'PATCH /webhooks/:id', scope: 'write:webhooks', status: 200, body: { description: 'Reached' } },
  { line: 'POST /webhooks/:id/ping', scope: 'write:webhooks', status: 202 },
  { line: 'POST /webhooks/:id/deliveries/:deliveryId/redeliver', scope: 'write:webhooks', status: 202 },
  { line: 'POST /webhooks/:id/rotate-secret', scope: 'write:webhooks', status: 200 },
  { line: 'DELETE /webhooks/:id', scope: 'write:webhooks', status: 204 },
];

/** What can be done for one company or one integration. */
export const forOwner: readonly (Endpoint & { readonly scope: Scope })[] = [
  { line: 'GET /webhooks', scope: 'read:webhooks', status: 200 },
  {
    ...{ line: 'POST /webhooks', scope: 'write:webhooks', status: 201 },
    body: { url: 'https://hooks.example.com/agents', events: ['*'] },
  },
];

/** Those that need no key. */
export const health: readonly Pick<Endpoint, 'line' | 'status'>[] = [
  { line: 'GET /health/live', status: 200 },
  { line: 'GET /health/ready', status: 200 },
];

/** A code, as a path names it. */
export const explained = 'validation-failed';

/** What explains a problem, to everybody; `:code` stands for the code. */
export const explanations: readonly Pick<Endpoint, 'line' | 'status'>[] = [
  { line: 'GET /problems/:code', status: 200 },
];

/** The path of a request, without its query. */
export const pathOf = (line: string) => line.replace(/^\S+ /, '').replace(/\?.*$/, '');
