import { problemDetails } from './problem-details.ts';
import { ApiError } from './problems.ts';

/** By the code of Node's parser, what a client has to change. Others have the one text of the problem. */
const details: ReadonlyMap<string | undefined, string> = new Map([
  ['HPE_INVALID_METHOD', problemDetails.methodUnknown],
  ['HPE_INVALID_URL', problemDetails.targetCharacters],
  ['HPE_INVALID_CONSTANT', problemDetails.requestLine],
  ['HPE_INVALID_VERSION', problemDetails.httpVersion],
  ['HPE_PAUSED_H2_UPGRADE', problemDetails.httpVersion],
  ['HPE_INVALID_HEADER_TOKEN', problemDetails.headerCharacters],
  ['HPE_INVALID_CONTENT_LENGTH', problemDetails.framing],
  ['HPE_UNEXPECTED_CONTENT_LENGTH', problemDetails.framing],
  ['HPE_INVALID_TRANSFER_ENCODING', problemDetails.framing],
  ['HPE_INVALID_CHUNK_SIZE', problemDetails.chunkSize],
]);

/** The problem of a message that Node gave up on. */
export function malformedMessage({ code }: NodeJS.ErrnoException): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ApiError('HEADERS_TOO_LARGE');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('REQUEST_TIMEOUT');
  const detail = details.get(code);
  return new ApiError('MALFORMED_REQUEST', { ...(detail !== undefined && { detail }) });
}
