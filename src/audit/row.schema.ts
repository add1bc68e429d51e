import { type Static, Type } from '@sinclair/typebox';
import { textOrNull } from '../http/json-schema.ts';

/**
 * An entry of the audit trail: a command of the operator, a deletion or a version of an agent, a change of a webhook endpoint, or
 * a key that moved to a new secret.
 */
export const auditEntrySchema = Type.Object({
  at: Type.Date(),
  /** Object and action, such as `key.revoked`. */
  action: Type.String(),
  by: Type.Object({
    /** The operator who ran the command, or `server`; null if a key did it in a request, and for a key that was rehashed. */
    operator: textOrNull,
    keyId: textOrNull,
    requestId: textOrNull,
    address: textOrNull,
  }),
  companyId: textOrNull,
  integrationId: textOrNull,
  keyId: textOrNull,
  phoneNumberId: textOrNull,
  agentId: textOrNull,
  /** An object, unless SQL stored something else. */
  details: Type.Unknown(),
});
export type AuditEntry = Static<typeof auditEntrySchema>;
