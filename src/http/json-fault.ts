/** The place of the first syntax error in a JSON text (RFC 8259). */
export interface JsonFault {
  /** From 1 on; lines end at line feeds. */
  readonly line: number;
  /** From 1 on, in Unicode code points. */
  readonly column: number;
  /** What would be valid there, in words, such as `a digit`. */
  readonly expected: string;
  /** What is there instead, in words: at most 20 characters of the text. */
  readonly found: string;
}

interface Stop {
  readonly at: number;
  readonly expected: string;
}

const space = /[ \t\n\r]*/y;
// All from the space on but the quote and the backslash.
const plain = /[ !#-[\]-\uffff]*/y;
const escaped = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;
const digits = /[0-9]*/y;
const literal = /(?:true|false|null)(?![A-Za-z0-9_])/y;
const word = /[A-Za-z0-9_$]{1,20}/y;

/** The end of the match of a sticky pattern; undefined without a match. */
function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/**
 * Finds the first syntax error of a text that `JSON.parse` refused; undefined if the text is JSON. Takes linear time and no
 * recursion: a body can have 100,000 brackets.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const stop = scan(text);
  if (!stop) return undefined;
  return { ...lineAndColumn(text, stop.at), expected: stop.expected, found: foundAt(text, stop.at) };
}

function lineAndColumn(text: string, at: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf('\n'); end !== -1 && end < at; end = text.indexOf('\n', start)) {
    line += 1;
    start = end + 1;
  }
  let column = 1;
  for (const _ of text.slice(start, at)) column += 1;
  return { line, column };
}

function scan(text: string): Stop | undefined {
  /** The closing brackets of the lists and objects that are open. */
  const open: ('}' | ']')[] = [];
  let at = skipSpace(text, 0);
  for (;;) {
    // Here begins a value or, in an object, a name.
    const first = valueStart(text, at, open);
    if (typeof first === 'object') return first;
    at = first;
    // Here ends a value, and perhaps the lists and objects that it is in.
    at = skipSpace(text, at);
    while (open.length > 0 && text[at] === open.at(-1)) {
      open.pop();
      at = skipSpace(text, at + 1);
    }
    const closing = open.at(-1);
    if (closing === undefined) return at === text.length ? undefined : { at, expected: 'the end of the body' };
    if (text[at] !== ',') return { at, expected: `a comma or ${closing}` };
    at = skipSpace(text, at + 1);
  }
}

/** Reads up to the end of a scalar, or up to the closing bracket of an empty list or object. */
function valueStart(text: string, from: number, open: ('}' | ']')[]): number | Stop {
  let at = from;
  for (;;) {
    if (open.at(-1) === '}') {
      const after = member(text, at);
      if (typeof after === 'object') return after;
      at = after;
    }
    const bracket = text[at];
    if (bracket !== '{' && bracket !== '[') return scalar(text, at);
    const closing = bracket === '{' ? '}' : ']';
    open.push(closing);
    at = skipSpace(text, at + 1);
    if (text[at] === closing) return at;
    if (bracket === '{' && text[at] !== '"') return { at, expected: 'a name in double quotes or }' };
    if (bracket === '[' && !canBegin(text[at])) return { at, expected: 'a value or ]' };
  }
}

const canBegin = (character: string | undefined) => character !== undefined && /["{[\-0-9tfn]/.test(character);
const skipSpace = (text: string, at: number) => matchEnd(space, text, at) ?? at;

/** The name of a member and its colon, up to its value. */
function member(text: string, at: number): number | Stop {
  if (text[at] !== '"') return { at, expected: 'a name in double quotes' };
  const end = string(text, at);
  if (typeof end === 'object') return end;
  const colon = skipSpace(text, end);
  return text[colon] === ':' ? skipSpace(text, colon + 1) : { at: colon, expected: 'a colon' };
}

function scalar(text: string, at: number): number | Stop {
  if (text[at] === '"') return string(text, at);
  if (/[-0-9]/.test(text[at] ?? '')) return number(text, at);
  return matchEnd(literal, text, at) ?? { at, expected: 'a value' };
}

function string(text: string, from: number): number | Stop {
  let at = from + 1;
  for (;;) {
    at = matchEnd(plain, text, at) ?? at;
    if (text[at] === '"') return at + 1;
    if (at === text.length) return { at, expected: 'the closing quote of a string' };
    if (text[at] !== '\\') return { at, expected: 'an escape such as \\n or \\u0009 in its place' };
    const end = matchEnd(escaped, text, at);
    if (end === undefined)
      return { at, expected: 'one of the escapes \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with 4 digits' };
    at = end;
  }
}

function number(text: string, from: number): number | Stop {
  const start = text[from] === '-' ? from + 1 : from;
  let at = matchEnd(digits, text, start) ?? start;
  if (at === start) return { at, expected: 'a digit' };
  if (text[start] === '0' && at > start + 1) return { at: start, expected: 'a number without a leading zero' };
  for (const [begins, sign] of [
    [/[.]/, ''],
    [/[eE]/, '+-'],
  ] as const) {
    if (!begins.test(text[at] ?? '')) continue;
    const next = text[at + 1];
    const part = next !== undefined && sign.includes(next) ? at + 2 : at + 1;
    at = matchEnd(digits, text, part) ?? part;
    if (at === part) return { at, expected: 'a digit' };
  }
  return at;
}

/** The character or word at a place, at most 20 characters: an answer must not grow with a hostile body. */
function foundAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  if (code === undefined) return 'the end of the body';
  if (code === 0x0a || code === 0x0d) return 'a line break';
  const character = String.fromCodePoint(code);
  if (code <= 0x20 || code === 0x7f || !/^[\p{L}\p{N}\p{P}\p{S}]$/u.test(character)) {
    return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  }
  const end = matchEnd(word, text, at) ?? at + character.length;
  return character === '"' ? 'a double quote' : `"${text.slice(at, end)}"`;
}
