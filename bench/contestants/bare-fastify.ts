import { randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { toAnswer } from '../../src/agents/answer.ts';
import { initialContent } from '../../src/agents/fields.ts';
import { agentSchema } from '../../src/agents/schema.ts';
import { logRequests } from './log.ts';

// The upper bound of Fastify: one route with the same response schema and log line, which answers with a fixed agent.
// It checks no key and no body, and has no database.

const now = new Date();
const agent = toAnswer({
  id: randomUUID(),
  companyId: randomUUID(),
  version: 2,
  createdAt: now,
  updatedAt: now,
  content: {
    ...initialContent,
    name: 'Interview for position 1',
    type: 'ONLINE',
    focus: 'GENERIC',
    language: 'EN',
    duration: 30,
    questions: ['What drew you to position 1?', 'When could you start?', 'What do you expect to earn?'],
    instructions: 'Be friendly, ask one question at a time, and leave time for questions of the candidate.',
    metadata: { department: 'Department 1', position: 'P-1', openings: 1, stage: 'sourced', syncNumber: 1 },
  },
});

const app = fastify({ genReqId: () => randomUUID() });
logRequests(app, () => undefined);
app.patch('/agents/:id', { schema: { response: { 200: agentSchema } } }, async () => agent);

console.log(`Listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
