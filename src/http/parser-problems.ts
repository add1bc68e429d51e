import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';

/** The `detail` by the error code of Node's parser; for other codes, the text of the problem. */
const details: ReadonlyMap<string | undefined, string> = new Map([
  ['HPE_INVALID_METHOD', problemTexts.methodUnknown],
  ['HPE_INVALID_URL', problemTexts.targetCharacters],
  ['HPE_INVALID_CONSTANT', problemTexts.requestLine],
  ['HPE_INVALID_VERSION', problemTexts.httpVersion],
  ['HPE_PAUSED_H2_UPGRADE', problemTexts.httpVersion],
  ['HPE_INVALID_HEADER_TOKEN', problemTexts.headerCharacters],
  ['HPE_INVALID_CONTENT_LENGTH', problemTexts.framing],
  ['HPE_UNEXPECTED_CONTENT_LENGTH', problemTexts.framing],
  ['HPE_INVALID_TRANSFER_ENCODING', problemTexts.framing],
  ['HPE_INVALID_CHUNK_SIZE', problemTexts.chunkSize],
]);

/** The problem for a message that Node could not parse. */
export function malformedMessage({ code }: NodeJS.ErrnoException): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ApiError('HEADERS_TOO_LARGE');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('REQUEST_TIMEOUT');
  return new ApiError('MALFORMED_REQUEST', { detail: details.get(code) });
}
