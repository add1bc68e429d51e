import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { problemUnknown } from '../http/particular-problems.ts';
import { onceMade, prepareFile, sendPrepared } from '../http/prepared-file.ts';
import { isProblemCode, type ProblemCode, problemPath, problems } from '../http/problems.ts';
import { explain, policy, toHtml } from './explanation.ts';
import { getProblem } from './openapi.ts';
import { problemHeadersSchema, problemParamsSchema } from './schema.ts';

const types = ['application/json', 'text/html'] as const;

/** The pages that `type` of every problem links to. No key needed. */
export const problemRoutes: FastifyPluginAsyncTypebox = async (app) => {
  /** Each page is made at its first request. */
  const fileOf = (code: ProblemCode, type: (typeof types)[number]) =>
    onceMade(async () => {
      const explanation = explain(code, app.publicUrl.prefix);
      const text = type === 'text/html' ? toHtml(explanation) : JSON.stringify(explanation);
      return await prepareFile(Buffer.from(text), `${type}; charset=utf-8`);
    });
  /** The pages of each code, by both of its forms: as in `type`, and as in `code`. */
  const pages = new Map(
    Object.keys(problems)
      .filter(isProblemCode)
      .flatMap((code) => {
        const files = { json: fileOf(code, 'application/json'), html: fileOf(code, 'text/html') };
        return [code, problemPath(code).replace(/^.*\//, '')].map((name) => [name, files] as const);
      }),
  );

  const described = getProblem(app.publicUrl.prefix);
  const schema = { ...described, params: problemParamsSchema, unvalidatedHeaders: problemHeadersSchema };
  app.get('/problems/:code', { schema }, async (request, reply) => {
    const page = pages.get(request.params.code);
    if (!page) throw problemUnknown();
    const accepted = negotiate(request.headers.accept?.toLowerCase() ?? '', [...types]);
    const file = await (accepted === 'text/html' ? page.html() : page.json());
    return sendPrepared(file, request, reply.header('content-security-policy', policy), 'accept, accept-encoding');
  });
};
