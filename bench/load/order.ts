import { type Static, Type } from '@sinclair/typebox';

/** What a load generator shall do. */
export const loadOrderSchema = Type.Object({
  ports: Type.Array(Type.Integer()),
  /** Shared out among the ports. */
  connections: Type.Integer(),
  seconds: Type.Integer(),
  /** GETs among 100 requests; the others are PATCHes. */
  reads: Type.Integer({ minimum: 0, maximum: 100 }),
  /** A file of lines "path key". */
  targets: Type.String(),
  /** A file of pairs of lines, between which a number goes that no other request has: the bodies of PATCHes. */
  bodies: Type.String(),
  /** The first of those numbers. */
  first: Type.Integer(),
});
export type LoadOrder = Static<typeof loadOrderSchema>;

/** What came of it. */
export const loadReportSchema = Type.Object({
  /** Requests that were answered. */
  requests: Type.Integer(),
  seconds: Type.Number(),
  /** Milliseconds. */
  p50: Type.Number(),
  p99: Type.Number(),
  /** Answers other than 200, and requests without one. */
  failures: Type.Integer(),
});
export type LoadReport = Static<typeof loadReportSchema>;
