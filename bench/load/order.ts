import { type Static, Type } from '@sinclair/typebox';

/** The input of a load generator. */
export const loadOrderSchema = Type.Object({
  ports: Type.Array(Type.Integer()),
  /** Distributed over the ports. */
  connections: Type.Integer(),
  seconds: Type.Integer(),
  /** The number of GETs in 100 requests; the others are PATCHes. */
  reads: Type.Integer({ minimum: 0, maximum: 100 }),
  /** A file of lines "path key". */
  targets: Type.String(),
  /** A file of pairs of lines that enclose a number, unique in each request: the bodies of PATCHes. */
  bodies: Type.String(),
  /** The first of those numbers. */
  first: Type.Integer(),
});
export type LoadOrder = Static<typeof loadOrderSchema>;

/** The output of a load generator. */
export const loadReportSchema = Type.Object({
  /** Requests that were answered. */
  requests: Type.Integer(),
  seconds: Type.Number(),
  /** Milliseconds. */
  p50: Type.Number(),
  p99: Type.Number(),
  /** Answers other than 200, and requests without an answer. */
  failures: Type.Integer(),
});
export type LoadReport = Static<typeof loadReportSchema>;
