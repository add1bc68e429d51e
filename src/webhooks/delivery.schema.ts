import { Type } from '@sinclair/typebox';

const id = Type.String();
const text = Type.Union([Type.String(), Type.Null()]);

/** A delivery that was claimed, with what its endpoint was at that moment. */
export const claimedSchema = Type.Object({
  id,
  /** Proves that the delivery is still this claim's when it is finished. */
  lease: id,
  endpointId: id,
  eventId: Type.String(),
  body: Type.String(),
  /** Attempts before this one. */
  attempts: Type.Integer(),
  url: Type.String(),
  sealedHeaders: text,
  sealedSecret: Type.String(),
  /** Of a rotation that is not over yet. */
  sealedPreviousSecret: text,
  sealedUnder: Type.String(),
  /** Whether the endpoint's last attempts failed. */
  isFailing: Type.Boolean(),
  /** Whether the endpoint still may have the events of the company. */
  isGranted: Type.Boolean(),
});

/** A row of the claim: a delivery, or how many rows were put off because an earlier one of their line waits. */
export const claimRowSchema = Type.Object({
  claimed: Type.Union([claimedSchema, Type.Null()]),
  putOff: Type.Integer(),
});

/** A delivery that was given a next one of its line. */
export const nextRowSchema = Type.Object({ before: id, claimed: claimedSchema });

export const finishedRowSchema = Type.Object({ id });

export const measuresSchema = Type.Object({ overdueSeconds: Type.Number(), disabledEndpoints: Type.Integer() });
