import type { Result } from './deliver.ts';
import type { Claimed } from './delivery.repository.ts';
import type { Ended } from './finish.statements.ts';
import { nextWait } from './schedule.ts';

/** Milliseconds until a delivery is tried again whose endpoint's secret could not be read: a setting must be mended first. */
const unreadableWait = 60_000;

const nothingSent = { isAttempt: false, isGone: false, lastStatus: null, lastError: null, lastAnswer: null } as const;

const claimOf = ({ id, lease, endpointId }: Claimed) => ({ id, lease, endpointId });

/** What comes of an attempt: delivered, tried again later, or given up. */
export function endedAs(claimed: Claimed, { isDelivered, status, error, answer, retryAfter }: Result): Ended {
  const failure = { attempts: claimed.attempts + 1, retryAfter, random: Math.random(), now: new Date() };
  const wait = isDelivered ? undefined : nextWait(failure);
  return {
    ...claimOf(claimed),
    status: isDelivered ? 'DELIVERED' : wait === undefined ? 'FAILED' : 'PENDING',
    wait: wait ?? 0,
    isAttempt: true,
    isGone: status === 410,
    ...{ lastStatus: status, lastError: error, lastAnswer: answer },
  };
}

/** The integration does not manage the company any more. */
export const notGranted = (claimed: Claimed): Ended => ({
  ...claimOf(claimed),
  ...nothingSent,
  ...{ status: 'FAILED', wait: 0, lastError: 'the integration does not manage this company any more' },
});

/** The secret of the endpoint cannot be read with the secrets that this process has. */
export const unreadable = (claimed: Claimed): Ended => ({
  ...claimOf(claimed),
  ...nothingSent,
  ...{ status: 'PENDING', wait: unreadableWait, lastError: 'the server could not read the secret of this endpoint' },
});

/** The process ends before the attempt did: another one goes on at once. */
export const givenBack = (claimed: Claimed): Ended => ({
  ...claimOf(claimed),
  ...nothingSent,
  status: 'PENDING',
  wait: 0,
});
