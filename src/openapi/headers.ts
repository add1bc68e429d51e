const text = (description: string) => ({ description, schema: { type: 'string' } }) as const;
const number = (description: string) => ({ description, schema: { type: 'integer' } }) as const;

/** The rate limits of the API key; it may have one of the two, or none. */
const rateLimits = {
  'X-RateLimit-Limit-Minute': number('Requests that the API key may send in one minute'),
  'X-RateLimit-Remaining-Minute': number('Requests left in this minute'),
  'X-RateLimit-Reset-Minute': number('When this minute ends, in Unix seconds'),
  'X-RateLimit-Limit-Hour': number('Requests that the API key may send in one hour'),
  'X-RateLimit-Remaining-Hour': number('Requests left in this hour'),
  'X-RateLimit-Reset-Hour': number('When this hour ends, in Unix seconds'),
};

/** Headers that answers of several operations have. */
export const sharedHeaders = {
  'X-Request-Id': text('The id of the request: the one that was sent, or a new one'),
  ...rateLimits,
  'WWW-Authenticate': text('Bearer; with the name of the scope if one is missing'),
  'Retry-After': text('Seconds to wait before the request is sent again'),
  'Accept-Patch': text('The supported media types, if another one was sent'),
  'Accept-Encoding': text('identity, if the body had a Content-Encoding'),
};

export type SharedHeader = keyof typeof sharedHeaders;

export const rateLimitHeaders = Object.keys(rateLimits);

/** The headers of an answer, by reference to those that are shared. */
export const headerReferences = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
