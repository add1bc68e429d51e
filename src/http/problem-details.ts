/**
 * The `detail` of a problem whose code stands for several cases. A code with one case has its text in `problems`, and what is
 * wrong with one value is in `complaints`: a client sees no other texts.
 */
export const problemDetails = {
  connectMethod: 'CONNECT is not supported.',
  httpVersion: 'Send HTTP/1.1.',
  hostHeaders: 'Send exactly one Host header.',
  expectation: 'The only expectation that is supported is "Expect: 100-continue".',
  pathEncoding: 'The path is not valid percent-encoded UTF-8.',
  bodyMissing: 'The request needs a JSON object as its body.',
  bodyEncoding: 'Send the body without a Content-Encoding.',
  bodyNotUtf8: 'The body is not valid UTF-8.',
  bodyNotJson: 'The body is not valid JSON.',
  bodyLength: 'The body is not as long as Content-Length says.',
  bodyIncomplete: 'The body is not complete.',
  problemUnknown: 'No problem has this code. The OpenAPI document lists the codes.',
  scopeMissing: (scope: string) => `This API key lacks the scope ${scope}.`,
  versionPruned: 'This version of the agent was pruned: the operator removes old versions from the history.',
} as const;
