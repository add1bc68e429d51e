import { type ProblemCode, problemSchema, problems } from '../errors.ts';
import { type Declared, problemCodesOf, tellsLimits } from './checks.ts';
import { exampleOf } from './problem-examples.ts';

/** Headers of an answer by name: the schema of the value, and what it says. */
export type AnswerHeaders = Readonly<
  Record<
    string,
    {
      readonly type: 'string' | 'integer';
      readonly description: string;
      readonly enum?: readonly string[];
      readonly examples?: readonly string[];
    }
  >
>;

/** One status of an operation, in the form that @fastify/swagger takes beside plain schemas. */
export interface Answer {
  readonly description: string;
  readonly headers: AnswerHeaders;
  /** Stands in the place of the content where the answer has no body. */
  readonly type?: 'null';
  readonly content?: Readonly<Record<string, object>>;
}

const header = (name: string, description: string): AnswerHeaders => ({ [name]: { type: 'string', description } });

/** Stands on every answer. */
const requestId = header('X-Request-Id', 'The id of the request: the one that was sent, else a new one');

const ofWindow = (name: 'Minute' | 'Hour'): AnswerHeaders => {
  const window = name.toLowerCase();
  return {
    [`X-RateLimit-Limit-${name}`]: { type: 'integer', description: `Requests that the API key has in one ${window}` },
    [`X-RateLimit-Remaining-${name}`]: { type: 'integer', description: `Those that are left of the ${window}` },
    [`X-RateLimit-Reset-${name}`]: { type: 'integer', description: `When the ${window} ends, in Unix seconds` },
  };
};

/** Stand on every answer behind the check of the rate limits, where the API key has a limit. */
const rateLimits: AnswerHeaders = { ...ofWindow('Minute'), ...ofWindow('Hour') };

/** Headers of a success of a route. */
export const headersOfSuccess = ({ config }: Declared): AnswerHeaders => ({
  ...requestId,
  ...(config?.scope && rateLimits),
});

const challenge = header('WWW-Authenticate', 'Bearer; where a scope is missing, with its name');
const retryAfter = header('Retry-After', 'Seconds to wait before the request is sent again');

const headersOf: { readonly [Code in ProblemCode]?: AnswerHeaders } = {
  INVALID_API_KEY: challenge,
  API_KEY_SUSPENDED: challenge,
  INSUFFICIENT_PERMISSIONS: challenge,
  UNSUPPORTED_MEDIA_TYPE: {
    ...header('Accept-Patch', 'The media types that are supported, where another was sent'),
    ...header('Accept-Encoding', 'identity, where the body had a Content-Encoding'),
  },
  RATE_LIMITED: retryAfter,
  OVERLOADED: retryAfter,
  DATABASE_UNAVAILABLE: retryAfter,
};

/** The error answers of a route by status, from the catalogue. */
export function problemAnswers(route: Declared, further: readonly ProblemCode[] = []): Record<string, Answer> {
  const codes = [...new Set([...problemCodesOf(route), ...further])];
  const statuses = [...new Set(codes.map((code) => problems[code].status))].sort();
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      problemAnswer(
        route,
        status,
        codes.filter((code) => problems[code].status === status),
      ),
    ]),
  );
}

function problemAnswer(route: Declared, status: number, codes: readonly ProblemCode[]): Answer {
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code].title}`).join('\n\n'),
    headers: Object.assign({}, requestId, ...codes.map((code) => headersOfProblem(route, code))),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            problemSchema,
            { type: 'object', properties: { status: { const: status }, code: { enum: codes } }, required: ['code'] },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code, route) }])),
      },
    },
  };
}

const headersOfProblem = ({ config }: Declared, code: ProblemCode): AnswerHeaders => ({
  ...headersOf[code],
  ...(config?.scope && tellsLimits(code) && rateLimits),
});
