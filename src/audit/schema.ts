import { type Static, Type } from '@sinclair/typebox';

const text = Type.Union([Type.String(), Type.Null()]);

/** Who did what, and when: a command of the operator, a deletion, or a version of an agent. */
export const auditEntrySchema = Type.Object({
  at: Type.Date(),
  /** As `key.revoked`: what it was done to, and what was done. */
  action: Type.String(),
  by: Type.Object({
    /** Who gave the command; null when a key did it in a request. */
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
