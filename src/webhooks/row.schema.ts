import { type Static, Type } from '@sinclair/typebox';

const text = Type.Union([Type.String(), Type.Null()]);
const time = Type.Union([Type.Date(), Type.Null()]);

/** An endpoint as its row holds it. */
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
  createdAt: Type.Date(),
  updatedAt: Type.Date(),
  lastSuccessAt: time,
  lastFailureAt: time,
});
export type StoredWebhook = Static<typeof storedWebhookSchema>;

/** A delivery as lists show it. */
export const storedDeliverySchema = Type.Object({
  id: Type.String(),
  eventType: Type.String(),
  agentId: text,
  version: Type.Union([Type.Integer(), Type.Null()]),
  status: Type.String(),
  attempts: Type.Integer(),
  nextAttemptAt: time,
  lastStatus: Type.Union([Type.Integer(), Type.Null()]),
  lastError: text,
  createdAt: Type.Date(),
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
