import fc from 'fast-check';
import { chunk, head } from '../../support/raw-socket.ts';

/** The bytes of a malformed request, as latin1 text. */
export interface Malformed {
  readonly kind: string;
  readonly bytes: string;
  /** Whether the client ends its side afterwards. */
  readonly ends: boolean;
}

/** The one kind that may still be a valid request. */
export const perhapsValid = 'bytes changed at random';

interface Target {
  readonly path: string;
  readonly key: string;
}

const body = '{"name":"Must not be seen"}';

/** Messages with a fault in each part of HTTP, all for one agent. */
export function malformedMessages({ path, key }: Target): fc.Arbitrary<Malformed> {
  const line = `PATCH ${path} HTTP/1.1`;
  const usual = ['Host: api', `Authorization: Bearer ${key}`, 'Content-Type: application/json'];
  const headers = (...more: string[]) => head(line, ...usual, ...more);
  const length = `Content-Length: ${body.length}`;
  const good = `${headers(length)}${body}`;
  const chunked = (end: string) => `${headers('Transfer-Encoding: chunked')}${end}`;
  const kind = (name: string, bytes: fc.Arbitrary<string>, ends = false) =>
    bytes.map((text): Malformed => ({ kind: name, bytes: text, ends }));

  const badLengths = fc.constantFrom(
    '-1',
    '+27',
    '27, 27',
    '27,28',
    '0x1b',
    '2.7e1',
    '27 27',
    '"27"',
    '9'.repeat(20),
    'x',
    '',
  );
  const badCodings = fc.constantFrom(
    'chunked, gzip',
    'xchunked',
    'identity',
    'gzip',
    'chunked, identity',
    '"chunked"',
    ',',
  );
  const badChunks = fc.constantFrom(
    'zz\r\n',
    '-1\r\n',
    '0x1b\r\n',
    ' 1b\r\n',
    `${'f'.repeat(17)}\r\n`,
    `1a\r\n${body}\r\n0\r\n\r\n`,
    `1c\r\n${body}\r\n0\r\n\r\n`,
    `1b\n${body}\n0\n\n`,
    `1b;${'x'.repeat(20_000)}\r\n${body}\r\n0\r\n\r\n`,
    `1b\r\n${body}\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    `1b\r\n${body}\r\n0\r\nbad trailer\r\n\r\n`,
  );
  const position = (text: string) => fc.nat(text.length - 1);
  // Bytes that must not be read as a message of their own.
  const inside = fc.constantFrom('', good, `0\r\n\r\n${good}`, chunk(body) + chunk(''));
  const bothLengths = fc
    .tuple(
      fc.constantFrom('0', '4', '27', '9999', '27\r\nContent-Length: 27', '27\r\nContent-Length: 3'),
      fc.boolean(),
      inside,
    )
    .map(([size, isFirst, rest]) => {
      const [one, two] = [`Content-Length: ${size}`, 'Transfer-Encoding: chunked'];
      return `${isFirst ? headers(one, two) : headers(two, one)}${chunk(body)}${chunk('')}${rest}`;
    });
  const badUtf8 = fc
    .tuple(
      fc.constantFrom('\xff', '\xc0\xaf', '\xe2\x82', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\x80', 'a\xc3'),
      fc.boolean(),
    )
    .map(([bytes, isChunked]) => {
      const text = `{"name":"N${bytes}"}`;
      const whole = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
      return isChunked ? chunked(whole) : `${headers(`Content-Length: ${text.length}`)}${text}`;
    });
  const huge = fc.constantFrom(
    ...[17_000, 70_000, 1_000_000].map((size) => headers(`X-Long: ${'x'.repeat(size)}`, length) + body),
    ...[17_000, 70_000].map((size) => good.replace(path, `${path}?${'x'.repeat(size)}`)),
    headers(...Array.from({ length: 4_000 }, (_, at) => `X-${at}: 1`), length) + body,
    headers(`${'X'.repeat(20_000)}: 1`, length) + body,
  );
  const badHeads = fc.constantFrom(
    ...[
      'PATCH',
      `PATCH ${path}`,
      `PATCH ${path} HTTP/9.9`,
      `PATCH ${path} http/1.1`,
      `PATCH  HTTP/1.1`,
      `P@TCH ${path} HTTP/1.1`,
    ].map((first) => good.replace(line, first)),
    ...[
      `${line} x`,
      `${line}\r`,
      `PATCH ${path}\tHTTP/1.1`,
      `PATCH ${path.slice(1)} HTTP/1.1`,
      `PATCH ${path}%zz HTTP/1.1`,
    ].map((first) => good.replace(line, first)),
    ...[
      'no colon',
      ': no name',
      'Bad Name: 1',
      'X\0: 1',
      'X: a\0b',
      'X: a\x7f\x01',
      'Host: two',
      'Expect: more',
      'Content-Length : 27',
    ].map((more) => headers(more, length) + body),
    head(line, ...usual.slice(1), length) + body,
    good.replaceAll('\r\n', '\r'),
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  );

  return fc.oneof(
    kind(
      'bad framing',
      badLengths.map((size) => `${headers(`Content-Length: ${size}`)}${body}`),
    ),
    kind(
      'bad framing',
      badCodings.map((coding) => `${headers(`Transfer-Encoding: ${coding}`)}${chunk(body)}${chunk('')}`),
    ),
    kind('bad framing', badChunks.map(chunked)),
    kind('bad line or header', badHeads),
    kind('both length headers', bothLengths),
    kind('bad UTF-8', badUtf8),
    kind('huge headers', huge),
    kind(
      'too short a length',
      fc.nat(body.length - 1).map((size) => `${headers(`Content-Length: ${size}`)}${body}`),
    ),
    kind(
      'too long a length',
      fc.integer({ min: 1, max: 200_000 }).map((more) => `${headers(`Content-Length: ${body.length + more}`)}${body}`),
      true,
    ),
    kind(
      'half a message',
      position(good).map((end) => good.slice(0, end)),
      true,
    ),
    kind(
      'half a body',
      position(body).map((end) => `${headers(length)}${body.slice(0, end)}`),
      true,
    ),
    kind(
      'half a body',
      position(chunk(body)).map((end) => chunked(chunk(body).slice(0, end))),
      true,
    ),
    kind(
      perhapsValid,
      fc
        .array(fc.tuple(position(good), fc.nat(255)), { minLength: 1, maxLength: 4 })
        .map((changes) => changed(good, changes)),
    ),
    kind(
      perhapsValid,
      fc
        .tuple(position(good), position(good))
        .map(([a, b]) => good.slice(0, Math.min(a, b)) + good.slice(Math.max(a, b))),
    ),
    kind(
      perhapsValid,
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
  );
}

function changed(text: string, changes: readonly (readonly [number, number])[]): string {
  const bytes = Buffer.from(text, 'latin1');
  for (const [at, value] of changes) bytes[at] = value;
  return bytes.toString('latin1');
}
