import type { Complaint } from './faults.ts';

/** What can be wrong with a webhook endpoint, beside what `complaints` has. */
export const webhookComplaints = {
  badHeaderName: (): Complaint => ({
    code: 'bad_format',
    detail: "must be the name of a header: a letter or digit, then at most 99 letters, digits and !#$%&'*+-.^_`|~",
  }),
  ownHeader: (): Complaint => ({ code: 'not_allowed', detail: 'must not be set: the server sets this header itself' }),
  badHeaderValue: (): Complaint => ({
    code: 'bad_format',
    detail: 'must be 1 to 4096 visible ASCII characters, with blanks inside only, or null to remove the header',
  }),
  unreadableHeaders: (): Complaint => ({
    code: 'not_allowed',
    detail:
      'must be null or absent: the server can no longer read what is stored of this webhook; rotate its secret first',
  }),
  unreadableSecret: (id: string): Complaint => ({
    code: 'not_allowed',
    detail: `must not repeat an answer whose secret the server can no longer read: rotate the secret of webhook ${id}, with another key`,
  }),
  notATarget: (reason: string): Complaint => ({
    code: 'not_allowed',
    detail: `must be a URL to which webhooks may be sent, but ${reason}`,
  }),
  webhookDisabled: (): Complaint => ({
    code: 'not_allowed',
    detail: 'must be the id of a webhook that is ENABLED; enable it first',
  }),
  tooManyWebhooks: (limit: number): Complaint => ({
    code: 'too_many',
    detail: `must not be one webhook more: there are ${limit} already, which is the limit`,
    limit,
  }),
} as const;
