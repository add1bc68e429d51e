import { type Static, Type } from '@sinclair/typebox';

const text = Type.Union([Type.String(), Type.Null()]);

/** An endpoint as its row holds it; times are ISO 8601. */
export const storedWebhookSchema = Type.Object({
  id: Type.String(),
  companyId: text,
  integrationId: text,
  url: Type.String(),
  events: Type.Array(Type.String()),
  description: text,
  headerNames: Type.Array(Type.String()),
  sealedHeaders: text,
  sealedSecret: Type.String(),
  sealedPreviousSecret: text,
  sealedUnder: Type.String(),
  status: Type.String(),
  disabledReason: text,
  createdAt: Type.String(),
  updatedAt: Type.String(),
  lastSuccessAt: text,
  lastFailureAt: text,
});
export type StoredWebhook = Static<typeof storedWebhookSchema>;

/** What of an endpoint is encrypted, and under which secret. */
export const sealedRowSchema = Type.Pick(storedWebhookSchema, [
  ...(['id', 'sealedSecret', 'sealedPreviousSecret', 'sealedHeaders', 'sealedUnder'] as const),
]);
export type SealedRow = Static<typeof sealedRowSchema>;

/** A delivery as lists show it. */
export const storedDeliverySchema = Type.Object({
  id: Type.String(),
  eventType: Type.String(),
  agentId: text,
  version: Type.Union([Type.Integer(), Type.Null()]),
  status: Type.String(),
  attempts: Type.Integer(),
  nextAttemptAt: text,
  lastStatus: Type.Union([Type.Integer(), Type.Null()]),
  lastError: text,
  createdAt: Type.String(),
});
export type StoredDelivery = Static<typeof storedDeliverySchema>;

export const idRowSchema = Type.Object({ id: Type.String() });
export const totalRowSchema = Type.Object({ total: Type.Integer() });

/** An answer about an endpoint that is kept for a request that is sent again; without one, it is about an agent. */
export const keptRowSchema = Type.Object({
  fingerprint: Type.String(),
  webhookId: text,
  answer: Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()]),
});

/** The headers of an endpoint, once opened. */
export const headersSchema = Type.Record(Type.String(), Type.String());
