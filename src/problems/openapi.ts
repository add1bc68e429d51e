import { noBodySchema } from '../http/json-schema.ts';
import { header } from '../openapi/headers.ts';
import { explain } from './explanation.ts';
import { explanationSchema } from './schema.ts';

const headers = {
  ETag: header('The entity tag of the explanation, to be sent as If-None-Match'),
  'Cache-Control': header('How long the answer may be kept'),
  Vary: header('The headers of the request that the answer depends on'),
  'Content-Security-Policy': header('The page may load nothing but its own style'),
};

export const getProblem = (prefix: string) => ({
  operationId: 'getProblem',
  tags: ['Problems'],
  summary: 'Explain a problem',
  description:
    'What a problem means and how to resolve it: the path in `type` of each problem leads here. Browsers, which prefer ' +
    '`text/html`, get a page; others get JSON. The answer can be cached.',
  response: {
    200: {
      ...{ ...explanationSchema, description: 'The explanation', isPageToo: true },
      headers,
      examples: [explain('PRECONDITION_FAILED', prefix)],
    },
    304: { ...noBodySchema, description: 'The explanation still has the entity tag that was sent', headers },
  },
  problems: ['RESOURCE_NOT_FOUND' as const],
});
