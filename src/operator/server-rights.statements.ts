import { agentFields, fields } from '../agents/fields.ts';
import type { Rights } from '../database/server-role.ts';

const update = (...columns: string[]) => columns.map((column) => `UPDATE (${column})`);

/**
 * The rights that the server's statements need. The server deletes only expired answers, webhook endpoints and
 * deliveries. It cannot change entries of the history or the audit trail, move an agent to another company, or create keys,
 * grants or companies.
 */
export const serverRights: Rights = {
  _prisma_migrations: ['SELECT'],
  company: ['SELECT'],
  integration_company: ['SELECT'],
  company_phone_number: ['SELECT'],
  api_key: ['SELECT', ...update('hash', 'last_used_at')],
  secret_fingerprint: ['SELECT', 'INSERT', ...update('fingerprint', 'recorded_at')],
  agent: [
    ...['SELECT', 'INSERT'],
    ...update(...agentFields.map((name) => fields[name].column), 'version', 'updated_at', 'deleted_at'),
  ],
  agent_version: ['SELECT', 'INSERT'],
  audit_entry: ['INSERT'],
  idempotency_key: ['SELECT', 'INSERT', 'DELETE'],
  webhook_endpoint: [
    ...['SELECT', 'INSERT', 'DELETE'],
    ...update('url', 'events', 'description', 'header_names', 'sealed_headers'),
    ...update('sealed_secret', 'sealed_previous_secret', 'previous_secret_until', 'sealed_under'),
    ...update('status', 'disabled_reason', 'last_success_at', 'last_failure_at', 'failing_since', 'updated_at'),
  ],
  webhook_delivery: [
    ...['SELECT', 'INSERT', 'DELETE'],
    ...update('status', 'attempts', 'next_attempt_at', 'leased_until', 'lease'),
    ...update('last_status', 'last_error', 'last_answer', 'finished_at'),
  ],
};
