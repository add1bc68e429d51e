import { healthySchema } from './schema.ts';

export const getLiveness = {
  operationId: 'getLiveness',
  tags: ['Health'],
  summary: 'Is the process alive?',
  description: 'Returns 200 while the event loop responds. Does not ask the database.',
  response: { 200: { ...healthySchema, description: 'The process is alive', examples: [{ status: 'ok' }] } },
};

export const getReadiness = {
  operationId: 'getReadiness',
  tags: ['Health'],
  summary: 'Can this server take requests?',
  description:
    'Returns 200 if the database answers, can be written to, and has no migration pending, and 503 otherwise, or once the ' +
    'server has begun to shut down.',
  response: { 200: { ...healthySchema, description: 'The server can take requests', examples: [{ status: 'ok' }] } },
  problems: ['DATABASE_UNAVAILABLE'],
} as const;
