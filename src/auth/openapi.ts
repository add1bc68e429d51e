import { ids } from '../openapi/examples.ts';
import { ownKeySchema } from './schema.ts';

const ownKey = {
  ...{ id: ids.key, name: null, start: 'sk_3fW8q', scopes: ['read:agents', 'write:agents', 'delete:agents'] },
  ...{ companyId: ids.company, integrationId: null },
  ...{ createdAt: '2026-11-20T10:28:00.000Z', expiresAt: null, lastUsedAt: '2026-11-20T10:28:30.000Z' },
  rateLimits: {
    minute: { limit: 600, remaining: 598, resetsAt: '2026-11-20T10:40:00.000Z' },
    hour: { limit: 20_000, remaining: 19_998, resetsAt: '2026-11-20T11:39:00.000Z' },
  },
};

export const getOwnKey = {
  operationId: 'getApiKey',
  tags: ['API key'],
  summary: 'Get the API key of the request',
  description:
    'Which key this is, what it may do, and what is left of its rate limits. Any valid key may ask, whatever its scopes, and ' +
    'needs no `companyId`. The request counts like any other.',
  response: { 200: { ...ownKeySchema, description: 'The API key', examples: [ownKey] } },
};
