import type { AttemptResult } from './attempt.ts';
import type { Claimed } from './delivery.repository.ts';
import type { DeliveryOutcome } from './finish.statements.ts';
import { nextWait } from './schedule.ts';

/** Milliseconds until the retry if the secret of the endpoint could not be decrypted: the operator must fix a setting. */
const unreadableWait = 60_000;

const claimOf = ({ id, lease, endpointId, url, endpointChangedAt }: Claimed) => ({
  id,
  lease,
  endpointId,
  url,
  endpointChangedAt,
});

/** The outcome of an attempt: DELIVERED, PENDING with the wait until the retry, or FAILED after the last attempt. */
export function outcomeOf(
  claimed: Claimed,
  { isDelivered, status, error, answer, retryAfter }: AttemptResult,
): DeliveryOutcome {
  const failure = { attempts: claimed.attempts + 1, retryAfter, random: Math.random(), now: new Date() };
  const wait = isDelivered ? undefined : nextWait(failure);
  return {
    ...claimOf(claimed),
    status: isDelivered ? 'DELIVERED' : wait === undefined ? 'FAILED' : 'PENDING',
    wait: wait ?? 0,
    isAttempt: true,
    isUnreadable: false,
    isGone: status === 410,
    ...{ lastStatus: status, lastError: error, lastAnswer: answer },
  };
}

/** The outcome of a claim for which no attempt was made. */
const notSent = (
  claimed: Claimed,
  status: 'FAILED' | 'PENDING',
  lastError: string | null,
  wait = 0,
): DeliveryOutcome => ({
  ...claimOf(claimed),
  ...{ status, wait, isAttempt: false, isUnreadable: false, isGone: false },
  ...{ lastStatus: null, lastError, lastAnswer: null },
});

/** The outcome if the integration no longer manages the company: FAILED, and nothing is sent. */
export const notGranted = (claimed: Claimed) =>
  notSent(claimed, 'FAILED', 'the integration does not manage this company any more');

/**
 * The outcome if this process does not have the API_KEY_SECRET that the endpoint is encrypted under, or what is stored is
 * damaged: retried in 60 s. It uses up no attempt, since the operator may bring the secret back.
 */
export const unreadable = (claimed: Claimed): DeliveryOutcome => ({
  ...notSent(claimed, 'PENDING', 'the server could not read the secret of this endpoint', unreadableWait),
  isUnreadable: true,
});

/** The outcome if the process stops before the attempt ends: due now, so that another process can claim it. */
export const givenBack = (claimed: Claimed) => notSent(claimed, 'PENDING', null);
