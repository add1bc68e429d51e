import type { JsonFault } from './json-fault.ts';

/**
 * The `detail` of a problem whose code stands for several cases. A code with one case has its text in `problems`, and what is
 * wrong with one value is in `complaints`: a client sees no other texts.
 */
export const problemTexts = {
  methodNotAllowed: (allowed: string) => `This path has only the methods ${allowed}.`,
  methodUnknown: 'HTTP has no such method. Send GET, POST, PATCH or DELETE, in capital letters: PATCH, not patch.',
  pathPartEmpty: 'A part of the path is empty: an id is missing, or there is a slash too many.',
  pathCase: 'No route has this path. Names in paths are in lower case.',
  companyMisnamed: (written: string) =>
    `This API key acts for several companies: name one with ?companyId=…, not ${written}. GET /companies lists their ids.`,
  targetCharacters:
    'The path must begin with a slash, and other characters than ASCII must be percent-encoded UTF-8: é is %C3%A9.',
  targetFragment: 'Send the path and the query without a fragment, which begins with #. In a value # is %23.',
  requestLine: 'The first line must be a method, a path and HTTP/1.1, each once. A space in a path is %20.',
  headerCharacters: 'A header has no colon, or a character that HTTP does not allow there.',
  framing: 'Send one Content-Length, or Transfer-Encoding: chunked, but not both.',
  chunkSize: 'A chunk of the body does not begin with its size in hexadecimal digits.',
  connectMethod: 'CONNECT is not supported.',
  httpVersion: 'Send HTTP/1.1.',
  hostHeaders: 'Send exactly one Host header.',
  expectation: 'The only expectation that is supported is "Expect: 100-continue".',
  pathEncoding: 'The path is not valid percent-encoded UTF-8: é is %C3%A9, and % itself is %25.',
  bodyMissing: 'The request needs a JSON object as its body.',
  bodyEncoding: 'Send the body without a Content-Encoding.',
  bodyNotUtf8: 'The body is not valid UTF-8.',
  bodyNotJson: ({ line, column, expected, found }: JsonFault) =>
    `The body is not valid JSON: at line ${line}, column ${column}, expected ${expected}, but found ${found}.`,
  bodyIncomplete: 'The body is not complete.',
  agentMissing: 'The agent does not exist or has been deleted.',
  versionToCome: (version: number, newest: number) =>
    `The agent has no version ${version}; its newest version is ${newest}.`,
  tagForeign:
    'No entity tag in If-Match is one that this server gave: they are weak (W/"7") or have another form ("7-gzip"). A proxy that ' +
    'compresses answers changes entity tags in this way. Send the tag in its original form, as "7", or let the proxy keep it.',
  tagExcluded: 'If-None-Match holds the current entity tag, or *. Nothing was changed.',
  problemUnknown: 'No problem has this code. /openapi.json lists the codes.',
  scopeMissing: (scope: string) => `This API key lacks the scope ${scope}.`,
  webhookMissing: 'The webhook does not exist or has been deleted.',
  webhookForeign:
    'The webhook belongs to another owner. With the key of an integration, send the companyId with which the webhook was made, ' +
    'or none if it was made without.',
  deliveryMissing: 'The webhook has no such delivery; those that are finished are kept for 30 days.',
  versionPruned:
    'This version was pruned: the operator removes old ones. GET /agents/{id}/versions lists those that are left.',
} as const;
