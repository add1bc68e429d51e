import { agentFields, fields } from '../agents/fields.ts';
import type { Rights } from '../database/server-role.ts';

/**
 * The rights that the server's statements need. The server deletes only expired answers and webhooks. It cannot change
 * entries of the history or the audit trail, move an agent to another company, or create keys, grants or companies.
 */
export const serverRights: Rights = {
  _prisma_migrations: { select: true },
  company: { select: true },
  integration_company: { select: true },
  company_phone_number: { select: true },
  api_key: { select: true, update: ['hash', 'last_used_at'] },
  secret_fingerprint: { select: true, insert: true, update: ['fingerprint', 'recorded_at'] },
  agent: {
    select: true,
    insert: true,
    update: [...agentFields.map((name) => fields[name].column), 'version', 'updated_at', 'deleted_at'],
  },
  agent_version: { select: true, insert: true },
  audit_entry: { insert: true },
  idempotency_key: { select: true, insert: true, delete: true },
  webhook_endpoint: {
    select: true,
    insert: true,
    delete: true,
    update: [
      ...['url', 'events', 'description', 'header_names', 'sealed_headers', 'status', 'disabled_reason', 'updated_at'],
      ...['sealed_secret', 'sealed_previous_secret', 'previous_secret_until', 'sealed_under'],
      ...['last_success_at', 'last_failure_at', 'failing_since'],
    ],
  },
  webhook_delivery: {
    select: true,
    insert: true,
    delete: true,
    update: [
      ...['status', 'attempts', 'next_attempt_at', 'leased_until', 'lease'],
      ...['last_status', 'last_error', 'last_answer', 'finished_at'],
    ],
  },
};
