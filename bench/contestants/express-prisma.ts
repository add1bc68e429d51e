import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { toAnswer } from '../../src/agents/answer.ts';
import type { StoredAgent } from '../../src/agents/row.ts';
import { applyPatch } from '../../src/agents/rules/patch.ts';
import type { AgentPatch } from '../../src/agents/schema.ts';
import { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts';
import { entityTag } from '../../src/http/entity-tag.ts';
import type { JsonObject } from '../../src/http/json.ts';
import { agentMissing } from '../../src/http/particular-problems.ts';
import { ApiError, invalid } from '../../src/http/problems.ts';
import { logAnswer } from './log.ts';
import { type Admitted, admit, environment, keyHash, readPatch } from './peer.ts';

// Express and Prisma as their documentation uses them: a middleware looks up the key; an interactive transaction reads
// the agent, checks and merges the patch, and writes the agent with its history entry if the version is still the one
// that was read.

interface Locals extends Record<string, unknown> {
  requestId: string;
  address: string | null;
  caller?: Admitted;
}

const secret = environment('API_KEY_SECRET');
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: environment('DATABASE_URL') }) });
const app = express();
app.disable('x-powered-by');
// The entity tag is the agent's version; Express would hash each error to make one.
app.disable('etag');

const authenticate: RequestHandler<object, unknown, unknown, object, Locals> = async (request, response, next) => {
  response.locals.requestId = randomUUID();
  response.locals.address = request.ip ?? null;
  response.set('x-request-id', response.locals.requestId);
  const hash = keyHash(request.headers.authorization, secret);
  response.locals.caller = admit(await prisma.apiKey.findUnique({ where: { hash } }), 'write:agents');
  next();
};

const logRequest: RequestHandler<{ id: string }, unknown, unknown, object, Locals> = (request, response, next) => {
  const start = performance.now();
  response.once('finish', () => {
    const { requestId, address, caller } = response.locals;
    logAnswer({
      requestId,
      method: request.method,
      route: '/agents/:id',
      status: response.statusCode,
      ms: performance.now() - start,
      caller,
      agentId: request.params.id,
      address,
    });
  });
  next();
};

const patchAgent: RequestHandler<{ id: string }, unknown, unknown, object, Locals> = async (request, response) => {
  const { id } = request.params;
  const agent = await change(id, readPatch(id, request.body), response.locals);
  response.set('etag', entityTag(agent.version)).json(toAnswer(agent));
};

const answerError: ErrorRequestHandler<object, unknown, unknown, object, Locals> = (error, request, response, next) => {
  if (!(error instanceof ApiError)) return next(error);
  const { requestId } = response.locals;
  response.status(error.status).set(error.headers).type('application/problem+json');
  response.send(JSON.stringify(error.problem(request.path, requestId)));
};

app.patch('/agents/:id', logRequest, authenticate, express.json({ limit: '256kb' }), patchAgent);
app.use(answerError);

/** Tries again if another change of the agent came first. */
async function change(id: string, patch: AgentPatch, by: Locals): Promise<StoredAgent> {
  for (;;) {
    try {
      return await changeOnce(id, patch, by);
    } catch (error) {
      const cameLate = error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2025';
      if (!cameLate) throw error;
    }
  }
}

function changeOnce(id: string, patch: AgentPatch, { caller, requestId, address }: Locals): Promise<StoredAgent> {
  if (!caller) throw new Error('the request was not authenticated');
  return prisma.$transaction(
    async (tx) => {
      const found = await tx.agent.findUnique({ where: { id } });
      if (!found || found.deletedAt) throw agentMissing();
      if (found.companyId !== caller.companyId) throw new ApiError('RESOURCE_ACCESS_DENIED');
      const stored = toStored(found);
      const { content, changedFields, faults } = applyPatch(stored.content, patch, false);
      if (faults.length > 0) throw invalid(faults);
      if (changedFields.length === 0) return stored;
      const { version } = found;
      const updatedAt = new Date(Math.max(Date.now(), found.updatedAt.getTime() + 1));
      const fields = { ...content, questions: [...content.questions] };
      const updated = await tx.agent.update({
        where: { id, version },
        data: { ...fields, version: version + 1, updatedAt },
      });
      await tx.agentVersion.create({
        data: {
          agentId: id,
          version: version + 1,
          createdAt: updatedAt,
          snapshot: fields,
          changedFields: [...changedFields],
          keyId: caller.keyId,
          requestId,
          callerAddress: address,
        },
      });
      return toStored(updated);
    },
    // Longer than by default, so that no request fails while it waits for one of the ten connections.
    { maxWait: 20_000, timeout: 20_000 },
  );
}

type AgentRow = Awaited<ReturnType<typeof prisma.agent.findUniqueOrThrow>>;

/** Prisma's type of a JSON column does not say what JSON it holds. */
function toStored(row: AgentRow): StoredAgent {
  const { id, companyId, version, createdAt, updatedAt, deletedAt, questions, metadata, ...fields } = row;
  if (!isTexts(questions) || !isObject(metadata)) throw new Error(`agent ${id} is not stored as it should be`);
  return { id, companyId, version, createdAt, updatedAt, content: { ...fields, questions, metadata } };
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value);
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null;

const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
});
