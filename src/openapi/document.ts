import { readFileSync } from 'node:fs';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyPluginAsync } from 'fastify';
import { type PreparedFile, prepareFile, sendPrepared } from '../plugins/prepared-file.ts';
import { checksInWords } from './checks.ts';
import { components } from './schemas.ts';
import { describeOperation } from './transform.ts';

const { version }: { version: string } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

const description = `Holds the configuration of AI interviewers, called agents.

Every answer but a success is a problem (RFC 9457) of one shape, \`application/problem+json\`; its \`code\` comes from a
closed list, and \`errors\` names each fault of the request. \`X-Request-Id\` is on every answer. HEAD is answered as GET is,
without a body.

An API key has a number of requests in a minute and in an hour; the \`X-RateLimit-…\` headers say how many are left. Who gets a
429 waits for the seconds in \`Retry-After\`.

${checksInWords()}`;

/** Options of @fastify/swagger: all of the document (OpenAPI 3.1) that the routes themselves do not say. */
export const openapi: FastifyDynamicSwaggerOptions = {
  convertConstToEnum: false,
  transform: describeOperation,
  openapi: {
    openapi: '3.1.0',
    info: { title: 'Interview agents', version, description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Agents', description: 'Stored configurations of AI interviewers' },
      { name: 'History', description: 'What agents were, and the way back' },
      { name: 'Directory', description: 'Companies and phone numbers, to be named in other requests' },
      { name: 'Health', description: 'For load balancers and orchestrators' },
    ],
    components: {
      schemas: components(),
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key, `sk_` and 43 letters and digits. A company key acts for its own company; the key of an applicant ' +
            'tracking system (ATS) for the company in `companyId`.',
        },
      },
    },
  },
};

/** Serves the document, made once when all routes are there. No key needed. */
export const openapiRoute: FastifyPluginAsync = async (app) => {
  let document: PreparedFile;
  app.addHook('onReady', async () => {
    document = await prepareFile(Buffer.from(JSON.stringify(app.swagger())), 'application/json; charset=utf-8');
  });
  app.get('/openapi.json', { schema: { hide: true } }, (request, reply) => sendPrepared(document, request, reply));
};
