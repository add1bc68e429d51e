/** A header of a success in the form that @fastify/swagger takes. @param example its value in the example of the answer */
export const header = (description: string, example?: string) => ({
  ...{ type: 'string', description },
  ...(example !== undefined && { examples: [example] }),
});

/** The header `Location` of a creation. @param path the path in the example of the answer */
export const location = (what: string, path: string) => ({
  Location: header(`The address of the ${what}: absolute if the server knows its own, else a path`, path),
});

/** The header of an answer that may repeat an earlier one, and what the description of its operation says. */
export const replayHeader = {
  'Idempotent-Replayed': {
    ...header('Present if this answer repeats an earlier one and nothing was done again'),
    enum: ['true'],
  },
};
export const retryInWords =
  'With an `Idempotency-Key` the request can be retried safely: for 24 hours, the same request with the same key gets the ' +
  'same answer and changes nothing again.';

const shared = (type: 'string' | 'integer', description: string) => ({ description, schema: { type } });

/** The rate limits of the API key; it may have one of the two, or none. */
const rateLimits = {
  'X-RateLimit-Limit-Minute': shared('integer', 'Requests that the API key may send in one minute'),
  'X-RateLimit-Remaining-Minute': shared('integer', 'Requests left in this minute'),
  'X-RateLimit-Reset-Minute': shared('integer', 'When this minute ends, in Unix seconds'),
  'X-RateLimit-Limit-Hour': shared('integer', 'Requests that the API key may send in one hour'),
  'X-RateLimit-Remaining-Hour': shared('integer', 'Requests left in this hour'),
  'X-RateLimit-Reset-Hour': shared('integer', 'When this hour ends, in Unix seconds'),
};
export const rateLimitHeaders = Object.keys(rateLimits);

/** Headers that answers of several operations have: components of the document. */
export const sharedHeaders = {
  'X-Request-Id': shared('string', 'The id of the request: the one that was sent, or a new one'),
  ...rateLimits,
  'WWW-Authenticate': shared('string', 'Bearer; with the name of the scope if one is missing'),
  'Retry-After': shared('string', 'Seconds to wait before the request is sent again'),
  ETag: shared('string', 'The current version of the agent in double quotes'),
  'Accept-Patch': shared('string', 'The supported media types, if another one was sent'),
  'Accept-Encoding': shared('string', 'identity, if the body had a Content-Encoding'),
};

/** The headers of an answer, by reference to those that are shared. */
export const headerReferences = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
