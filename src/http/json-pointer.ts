/** Maximum length of a pointer in characters before encoding: the answer must not grow with the keys of a hostile body. */
const maxLength = 1_000;

/**
 * The JSON pointer of a place in a body, in its URI fragment form (RFC 6901, section 6).
 * @returns for a pointer that would be longer, one that ends in an ellipsis, or at an ancestor
 */
export function pointer(path: readonly (string | number)[]): string {
  const tokens = ['#'];
  let left = maxLength;
  for (const step of path) {
    if (left <= 0) break;
    const text = String(step);
    tokens.push(text.length > left ? `${token(text.slice(0, left))}%E2%80%A6` : token(text));
    left -= text.length;
  }
  return tokens.join('/');
}

/** A key as a part of a JSON pointer (RFC 6901, section 3). */
export const escaped = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');

function token(text: string): string {
  return encodeURI(escaped(text).toWellFormed()).replaceAll('#', '%23');
}
