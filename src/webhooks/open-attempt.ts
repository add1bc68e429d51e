import { Value } from '@sinclair/typebox/value';
import type { Attempt } from './attempt.ts';
import type { Claimed } from './delivery.repository.ts';
import { headersSchema } from './row.schema.ts';
import type { Sealer } from './sealed.ts';

/**
 * Decrypts what an attempt to send a claimed delivery needs: the secrets and the headers of the endpoint.
 * @throws Error when the secrets of the endpoint were encrypted under an API_KEY_SECRET that this process does not have
 */
export function attemptOf(claimed: Claimed, { open }: Pick<Sealer, 'open'>): Attempt {
  const { endpointId, url, eventId, body, sealedHeaders, sealedSecret, sealedPreviousSecret, sealedUnder } = claimed;
  const secrets = [sealedSecret, ...(sealedPreviousSecret === null ? [] : [sealedPreviousSecret])];
  return {
    ...{ url, eventId, body },
    secrets: secrets.map((sealed) => open(sealed, sealedUnder, { endpointId, column: 'secret' })),
    headers:
      sealedHeaders === null
        ? {}
        : Value.Parse(headersSchema, JSON.parse(open(sealedHeaders, sealedUnder, { endpointId, column: 'headers' }))),
  };
}
