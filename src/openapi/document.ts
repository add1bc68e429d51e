import { readFileSync } from 'node:fs';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { PublicUrl } from '../http/public-url.ts';
import { checksInWords } from './checks.ts';
import { sharedHeaders } from './headers.ts';
import { describeRoutes } from './transform.ts';

const { version }: { version: string } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

const description = `Manages the configurations of AI interviewers, called agents.

Every error is a problem (RFC 9457) of one shape, \`application/problem+json\`: its \`code\` comes from a closed list, and
\`errors\` names each fault of the request. Operations share examples of problems: \`instance\` is the path of one of them.
\`X-Request-Id\` is on every answer. HEAD is answered as GET is, without a body.

An API key may send a number of requests in a minute and in an hour; the \`X-RateLimit-…\` headers tell how many are left. After
a 429, wait for the seconds in \`Retry-After\`.

<details>
<summary>The order of checks</summary>

${checksInWords}

</details>`;

/** Options of @fastify/swagger: the parts of the OpenAPI 3.1 document that do not come from the routes. */
export const openapi = (publicUrl: PublicUrl): FastifyDynamicSwaggerOptions => ({
  convertConstToEnum: false,
  ...describeRoutes(publicUrl),
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Interview agents',
      version,
      description,
      contact: { name: 'The operator of this server' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: publicUrl.base || '/' }],
    tags: [
      { name: 'Agents', description: 'Stored configurations of AI interviewers' },
      { name: 'History', description: 'All versions of an agent: read, compare, restore' },
      { name: 'Directory', description: 'The companies and phone numbers that other requests refer to' },
      { name: 'API key', description: 'Which key a client has, and what is left of its rate limits' },
      { name: 'Problems', description: 'What an error means and how to resolve it' },
      {
        name: 'Webhooks',
        description: 'Endpoints that receive an event for each change, signed as Standard Webhooks requires',
      },
      { name: 'Health', description: 'For load balancers and orchestrators' },
    ],
    components: {
      headers: sharedHeaders,
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key: `sk_` and 43 letters and digits. The key of a company acts for that company. The key of an applicant ' +
            'tracking system (ATS) acts for the company in `companyId`. Each operation names the scope that it needs.',
        },
      },
    },
  },
});
