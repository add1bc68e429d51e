import { Type } from '@sinclair/typebox';

/** The headers of a request that makes something, and of every other one that can be repeated under an Idempotency-Key. */
export const retryHeadersSchema = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      format: 'idempotency-key',
      description:
        '1–255 visible characters, bare or in double quotes, new for each change: the same request with the same key ' +
        'within 24 hours gets the same answer, and nothing is changed again',
    }),
  ),
});
