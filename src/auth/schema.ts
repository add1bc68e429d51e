import { Type } from '@sinclair/typebox';
import { closed, nullable, timestamp, uuid } from '../http/json-schema.ts';

/** `companyId` is accepted as it is: check 7 has checked it, and company keys ignore it even if it is malformed. */
export const companyQuerySchema = Type.Object(
  {
    companyId: Type.Optional(
      Type.Unknown({ description: 'The company to act for: required with ATS keys, ignored with company keys' }),
    ),
  },
  closed,
);

/** `companyId` is accepted and ignored: the answer is about the key, and the same for every company. */
export const ignoredCompanySchema = Type.Object(
  { companyId: Type.Optional(Type.Unknown({ description: 'Ignored' })) },
  closed,
);

const rateLimitSchema = (window: 'minute' | 'hour') =>
  nullable(
    Type.Object(
      {
        limit: Type.Integer({ description: `Requests that the API key may send in one ${window}` }),
        remaining: Type.Integer({ description: 'Requests that are left, after this one' }),
        resetsAt: timestamp(`When this ${window} ends, in UTC`),
      },
      { description: `The limit for one ${window}; null if there is none` },
    ),
  );

export const ownKeySchema = Type.Object(
  {
    id: uuid('Id of the API key'),
    name: nullable(Type.String({ description: 'Name of the API key' })),
    start: Type.String({ description: 'The first 8 characters of the API key' }),
    scopes: Type.Array(Type.String(), { description: 'What the API key may do' }),
    companyId: nullable(uuid('The company that the API key acts for; null for the key of an integration')),
    integrationId: nullable(uuid('The integration that the API key belongs to; null for the key of a company')),
    createdAt: timestamp('When the API key was made, in UTC'),
    expiresAt: nullable(timestamp('When the API key ends, in UTC; null for never')),
    lastUsedAt: nullable(timestamp('When the API key was last used, in UTC, to the minute; null for never before')),
    rateLimits: Type.Object(
      { minute: rateLimitSchema('minute'), hour: rateLimitSchema('hour') },
      { description: 'The limits that apply, and what is left of them' },
    ),
  },
  { $id: 'ApiKey' },
);
