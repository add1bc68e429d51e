/** The maximum size of a body in bytes (docs/contract.md#the-body). */
const largest = 256 * 1024;

export interface Filled {
  readonly text: string;
  /** The number of items that fit. */
  readonly items: number;
}

/** The largest allowed body: JSON with as many items as fit, separated by commas. */
export function filled(open: string, item: (at: number) => string, close: string): Filled {
  const parts: string[] = [];
  let left = largest - Buffer.byteLength(open + close);
  for (let next = item(0); left >= Buffer.byteLength(next) + 1; next = item(parts.length)) {
    parts.push(next);
    left -= Buffer.byteLength(next) + 1;
  }
  return { text: open + parts.join(',') + close, items: parts.length };
}

/** The largest allowed body with nested items. */
export function nested(
  open: string,
  inner: string,
  close: string,
  around: readonly [string, string] = ['', ''],
): Filled {
  const left = largest - Buffer.byteLength(around.join('') + inner);
  const items = Math.floor(left / Buffer.byteLength(open + close));
  return { text: around[0] + open.repeat(items) + inner + close.repeat(items) + around[1], items };
}

/** A short name for each number. */
export const nameOf = (at: number) => at.toString(36);

/** JSON of the maximum size that takes long to parse: many objects, keys or levels. */
export const slowToParse: readonly Filled[] = [
  filled('[', (at) => `{"${nameOf(at)}":1}`, ']'),
  filled('{', (at) => `"${nameOf(at)}":1`, '}'),
  filled('{', (at) => `"é${nameOf(at)}":1`, '}'),
  filled('[', (at) => `"\\n${nameOf(at)}"`, ']'),
  nested('[', '', ']'),
  nested('{"a":', '1', '}'),
];

const inMetadata: readonly [string, string] = ['{"metadata":', '}'];
const inList = (item: string) => filled('{"metadata":{"n":[', () => item, ']}}').text;
const inKeys = (item: (at: number) => string) => filled('{"metadata":{', item, '}}').text;
const behind = (levels: number, key: string) => [`{"${key}":`.repeat(levels), '}'.repeat(levels)] as const;

/** Members with keys of one character and three bytes, in no order. */
const characters = 0xd7ff - 0x800;
const unsortedKeys = (at: number) => `"${String.fromCharCode(0x800 + ((at * 12_347) % characters))}":1`;

/** Bodies of the maximum size that cost a server more than others, by their content. */
export const costlyBodies: Readonly<Record<string, string>> = {
  'numbers that are not finite': inList('1e999'),
  'numbers that are too long': inList('5e-324'),
  'unpaired surrogates': inList('"\\udc00"'),
  'keys with unpaired surrogates': inKeys((at) => `"\\ud800${nameOf(at)}":1`),
  'nested lists': nested('[', '', ']', ['{"metadata":{"n":', '}}']).text,
  'nested lists instead of a text': nested('[', '', ']', ['{"name":', '}']).text,
  'nested lists instead of the body': nested('[', '', ']').text,
  'wrong numbers below 60,000 lists': filled(
    `{"metadata":{"n":${'['.repeat(60_000)}`,
    () => '1e999',
    `${']'.repeat(60_000)}}}`,
  ).text,
  'nested keys __proto__': nested('{"__proto__":', '1', '}', inMetadata).text,
  'repeated keys __proto__': inList('{"__proto__":1}'),
  'keys prototype in constructor': nested('{"constructor":{"prototype":', '1', '}}', inMetadata).text,
  'wrong numbers in objects of many shapes': filled('{"metadata":{"n":[', (at) => `{"${nameOf(at)}":1e999}`, ']}}')
    .text,
  'wrong numbers with long keys': filled(
    `{"metadata":${behind(60, '/'.repeat(4_000))[0]}[`,
    () => '1e999',
    `]${behind(60, '')[1]}}`,
  ).text,
  'unknown members': filled('{', (at) => `"${nameOf(at)}":1`, '}').text,
  'unknown members close to known ones': filled(
    '{',
    (at) => `"${`companyPhoneNumberIdCompanyPhoneNumber${nameOf(at)}`.slice(-40)}":1`,
    '}',
  ).text,
  'one unknown member': filled(`{"${'\\ud800'.repeat(43_000)}":[`, () => '1', ']}').text,
  'questions of the wrong type': filled('{"questions":[', () => 'null', ']}').text,
  'many questions beside unknown members': filled(
    `{"questions":[${Array(1_000).fill('""').join()}],`,
    (at) => `"${nameOf(at)}":1`,
    '}',
  ).text,
  'a name of white space': `{"name":"${' '.repeat(262_000)}"}`,
  'a name of pairs with a lone surrogate at its end': `{"name":"${'😀'.repeat(65_000)}\\ud800"}`,
  'a long id': `{"companyPhoneNumberId":"${'00000000-0000-4000-8000-000000000000'.repeat(7_000)}"}`,
  'a long number': `{"duration":${'9'.repeat(262_000)}}`,
  'too many keys': inKeys((at) => `"${nameOf(at)}":1`),
  'too many keys in no order': inKeys(unsortedKeys),
  'too many keys in no order, in a list': filled('{"metadata":{"n":[{', unsortedKeys, '}]}}').text,
  'too many keys that hold objects': inKeys((at) => `"${nameOf(at)}":{}`),
  'too many nested objects': inKeys((at) => `"${nameOf(at)}":{"a":{"b":null}}`),
  'null for keys that do not exist': inKeys((at) => `"${nameOf(at)}":null`),
  'too many bytes': `{"metadata":{"n":"${'\\n'.repeat(131_000)}"}}`,
  'a repeated key': inKeys(() => '"a":1'),
};
