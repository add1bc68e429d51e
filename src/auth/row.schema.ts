import { type Static, Type } from '@sinclair/typebox';
import { agentJsonSchema } from '../agents/row.schema.ts';
import { orNull, textOrNull } from '../http/json-schema.ts';

/** The record of a request's key, as far as the checks need it. */
const foundKeySchema = Type.Object({
  id: Type.String(),
  companyId: textOrNull,
  integrationId: textOrNull,
  /**
   * Only texts count. SQL can store NULL and lists in `scopes` and `allowedIps`, and a stricter schema would fail the whole batch
   * for one key.
   */
  scopes: Type.Array(Type.Unknown()),
  /** Rate limits of the key; null is the server's limit, 0 is no limit. */
  perMinute: orNull(Type.Integer()),
  perHour: orNull(Type.Integer()),
  /** Addresses and CIDR blocks that may use the key; empty means any. */
  allowedIps: Type.Array(Type.Unknown()),
  /** Why the key is no longer valid; null while it is valid. */
  ended: Type.Union([Type.Literal('revoked'), Type.Literal('expired'), Type.Null()]),
  suspended: Type.Boolean(),
  /** Whether the key's integration manages the company of the lookup. */
  granted: Type.Boolean(),
});
export type FoundKey = Readonly<Static<typeof foundKeySchema>>;

/** A row of `lookupStatement`. */
export const lookupRowSchema = Type.Object({
  key: orNull(foundKeySchema),
  agentWasRead: Type.Boolean(),
  /** `foreign` if the agent belongs to another company; null if there is none, it is deleted, or it was not read. */
  agent: Type.Union([agentJsonSchema, Type.Literal('foreign'), Type.Null()]),
  databaseTime: Type.Number(),
});
