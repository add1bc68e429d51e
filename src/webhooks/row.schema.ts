import { type Static, Type } from '@sinclair/typebox';
import { orNull, textOrNull } from '../http/json-schema.ts';

/** A row of a list of deliveries. */
export const storedDeliverySchema = Type.Object({
  id: Type.String(),
  eventId: Type.String(),
  eventType: Type.String(),
  agentId: textOrNull,
  version: orNull(Type.Integer()),
  status: Type.String(),
  attempts: Type.Integer(),
  lastStatus: orNull(Type.Integer()),
  lastError: textOrNull,
  nextAttemptAt: orNull(Type.Date()),
  createdAt: Type.Date(),
});
export type StoredDelivery = Static<typeof storedDeliverySchema>;

/** A kept answer to a request with an Idempotency-Key (`keptStatement`); `webhookId` is null if an endpoint of agents answered. */
export const keptRowSchema = Type.Object({
  fingerprint: Type.String(),
  webhookId: textOrNull,
  answer: orNull(Type.Object({}, { additionalProperties: true })),
});

/** The decrypted headers of an endpoint. */
export const headersSchema = Type.Record(Type.String(), Type.String());
