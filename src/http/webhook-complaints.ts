import { complaintOf } from './faults.ts';

/** What can be wrong with a webhook endpoint, beside what `complaints` has. */
export const webhookComplaints = {
  badHeaderName: () =>
    complaintOf(
      'bad_format',
      "must be the name of a header: a letter or digit, then at most 99 letters, digits and !#$%&'*+-.^_`|~",
    ),
  ownHeader: () => complaintOf('not_allowed', 'must not be set: the server sets this header itself'),
  badHeaderValue: () =>
    complaintOf(
      'bad_format',
      'must be 1 to 4096 visible ASCII characters, with blanks inside only, or null to remove the header',
    ),
  unreadableHeaders: () =>
    complaintOf(
      'not_allowed',
      'must be null or absent: the server can no longer read what is stored of this webhook; rotate its secret first',
    ),
  unreadableSecret: (id: string) =>
    complaintOf(
      'not_allowed',
      `must not repeat an answer whose secret the server can no longer read: rotate the secret of webhook ${id}, with a new Idempotency-Key`,
    ),
  notATarget: (reason: string) =>
    complaintOf('not_allowed', `must be a URL to which webhooks may be sent, but ${reason}`),
  webhookDisabled: () => complaintOf('not_allowed', 'must be the id of a webhook that is ENABLED; enable it first'),
  tooManyWebhooks: (limit: number) =>
    complaintOf('too_many', `must not be another webhook: the owner has ${limit}, which is the limit`, limit),
} as const;
