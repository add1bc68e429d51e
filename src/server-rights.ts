import { agentFields, fields } from './agents/fields.ts';
import type { Rights } from './database/server-role.ts';

/**
 * What the server's statements need: it deletes nothing but answers of yesterday, changes no entry of a history or a trail,
 * moves no agent to another company, and leaves keys, grants and companies to the operator.
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
};
