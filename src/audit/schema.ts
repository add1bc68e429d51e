import { type Static, Type } from '@sinclair/typebox';

const text = Type.Union([Type.String(), Type.Null()]);

/** An entry of the audit trail: a command of the operator, a deletion, or a version of an agent. */
export const auditEntrySchema = Type.Object({
  at: Type.Date(),
  /** Object and action, such as `key.revoked`. */
  action: Type.String(),
  by: Type.Object({
    /** The operator who ran the command; null if a key did it in a request. */
    operator: text,
    keyId: text,
    requestId: text,
    address: text,
  }),
  companyId: text,
  integrationId: text,
  keyId: text,
  phoneNumberId: text,
  agentId: text,
  details: Type.Object({}),
});
export type AuditEntry = Static<typeof auditEntrySchema>;
