import { Type } from '@sinclair/typebox';
import { orNull, textOrNull } from '../http/json-schema.ts';

const id = Type.String();
/** A claimed delivery, with its endpoint as it was at the time of the claim. */
export const claimedSchema = Type.Object({
  id,
  /** Random id of this claim; an outcome is written only if the row still has it. */
  lease: id,
  endpointId: id,
  eventId: Type.String(),
  body: Type.String(),
  /** Attempts before this one. */
  attempts: Type.Integer(),
  /** Seconds since the delivery was made. */
  age: Type.Number(),
  url: Type.String(),
  sealedHeaders: textOrNull,
  sealedSecret: Type.String(),
  /** The secret before the last rotation, for 24 hours; then null. */
  sealedPreviousSecret: textOrNull,
  sealedUnder: Type.String(),
  /** When the endpoint was changed last: a 410 for an attempt from before that does not disable it. */
  endpointChangedAt: Type.String(),
  /** Whether the endpoint's last attempt failed. */
  isFailing: Type.Boolean(),
  /** False if the endpoint belongs to an integration that no longer manages the company. */
  isGranted: Type.Boolean(),
});

/** A row of `claimStatement`: a claimed delivery, or the number of deliveries that were postponed. */
export const claimRowSchema = Type.Object({
  claimed: orNull(claimedSchema),
  postponed: Type.Integer(),
});

/** A row of `nextStatement`: the id of a finished delivery, and the claimed one that follows it, or null if that is locked. */
export const nextRowSchema = Type.Object({ before: id, claimed: orNull(claimedSchema) });

/** An endpoint whose health changed, and with which attempt. */
export const healthChangeSchema = Type.Object({
  id,
  url: Type.String(),
  health: Type.Union([Type.Literal('FAILING'), Type.Literal('RECOVERED'), Type.Literal('DISABLED')]),
  /** `disabledReason` of the endpoint. */
  reason: textOrNull,
  /** Why an attempt failed, in one of our own texts. */
  error: textOrNull,
});

/** A row of `finishStatement`: a delivery, and whether it was written or is locked; or an endpoint whose health changed. */
export const finishedRowSchema = Type.Object({
  id: textOrNull,
  isWritten: Type.Boolean(),
  endpoint: orNull(healthChangeSchema),
});

export const measuresSchema = Type.Object({ overdueSeconds: Type.Number(), disabledEndpoints: Type.Integer() });
