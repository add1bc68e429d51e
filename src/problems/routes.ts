import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { problemUnknown } from '../http/particular-problems.ts';
import { type PreparedFile, prepareFile, sendPrepared } from '../http/prepared-file.ts';
import { isProblemCode, type ProblemCode, problemPath, problems } from '../http/problems.ts';
import { explain, policy, toHtml } from './explanation.ts';
import { getProblem } from './openapi.ts';
import { problemHeadersSchema, problemParamsSchema } from './schema.ts';

const types = ['application/json', 'text/html'] as const;

/** The pages that `type` of every problem links to. No key needed. */
export const problemRoutes: FastifyPluginAsyncTypebox = async (app) => {
  /** Both forms of each code: as in `type`, and as in `code`. */
  const codes = new Map(
    Object.keys(problems)
      .filter(isProblemCode)
      .flatMap((code) => [code, problemPath(code).replace(/^.*\//, '')].map((name) => [name, code] as const)),
  );
  /** Each page is made at its first request. */
  const files = new Map<string, Promise<PreparedFile>>();
  function fileOf(code: ProblemCode, type: (typeof types)[number]): Promise<PreparedFile> {
    const explanation = explain(code, app.publicUrl.prefix);
    const text = type === 'text/html' ? toHtml(explanation) : JSON.stringify(explanation);
    const file = files.get(`${type} ${code}`) ?? prepareFile(Buffer.from(text), `${type}; charset=utf-8`);
    files.set(`${type} ${code}`, file);
    return file;
  }

  const described = getProblem(app.publicUrl.prefix);
  const schema = { ...described, params: problemParamsSchema, unvalidatedHeaders: problemHeadersSchema };
  app.get('/problems/:code', { schema }, async (request, reply) => {
    const code = codes.get(request.params.code);
    if (!code) throw problemUnknown();
    const accepted = negotiate(request.headers.accept?.toLowerCase() ?? '', [...types]);
    const file = await fileOf(code, accepted === 'text/html' ? 'text/html' : 'application/json');
    return sendPrepared(file, request, reply.header('content-security-policy', policy), 'accept, accept-encoding');
  });
};
