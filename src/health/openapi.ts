import type { Described } from '../openapi/described.ts';

export const getLiveness: Described = {
  operationId: 'getLiveness',
  tags: ['Health'],
  summary: 'Is the process alive?',
  description: 'Returns 200 while the event loop responds. Does not ask the database.',
  successes: { 200: { description: 'The process is alive', example: { body: { status: 'ok' } } } },
};

export const getReadiness: Described = {
  operationId: 'getReadiness',
  tags: ['Health'],
  summary: 'Can this server take requests?',
  description:
    'Returns 200 if the database answers and no migration is pending, and 503 otherwise, or once the server has begun to ' +
    'shut down.',
  successes: { 200: { description: 'The server can take requests', example: { body: { status: 'ok' } } } },
  problems: ['DATABASE_UNAVAILABLE'],
};
