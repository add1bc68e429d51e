import { type Static, Type } from '@sinclair/typebox';
import { pointer } from './json-pointer.ts';
import { oneOf } from './json-schema.ts';

/** What can be wrong with one value: the closed list of `errors[].code` (docs/contract.md#errors). */
const faultCodes = [
  'required',
  'unknown_member',
  'wrong_type',
  'not_allowed',
  'too_small',
  'too_large',
  'too_short',
  'too_long',
  'too_many',
  'too_deep',
  'blank',
  'bad_format',
  'bad_characters',
  'not_null',
  'not_found',
] as const;

const places = ['body', 'path', 'query', 'header'] as const;
export type RequestPart = (typeof places)[number];

export const faultSchema = Type.Object(
  {
    in: oneOf(places, 'The part of the request'),
    pointer: Type.Optional(Type.String({ description: 'In a body: JSON pointer in its URI fragment form (RFC 6901)' })),
    parameter: Type.Optional(Type.String({ description: 'Elsewhere: the name of the parameter or header' })),
    code: oneOf(faultCodes, 'What is wrong'),
    detail: Type.String({ description: 'What is wrong and what is allowed, for people' }),
    limit: Type.Optional(Type.Number({ description: 'The bound that was passed' })),
  },
  { $id: 'Fault' },
);

/** One fault of a request: where it is, what is wrong, what is allowed. */
export type Fault = Static<typeof faultSchema>;

/** Where a fault is, in words. */
export const placeOf = ({ pointer, parameter }: Fault) => (pointer === '#' ? 'the body' : (pointer ?? parameter));

/** How many faults one answer lists; the others are only counted. */
export const listedFaults = 20;

/** The first faults of a request, and how many it has. */
export interface Faults {
  readonly first: readonly Fault[];
  readonly count: number;
}

/** What is wrong with a value, without its place. */
export type Complaint = Pick<Fault, 'code' | 'detail' | 'limit'>;

/** What is wrong inside one value: the first findings, with their paths relative to that value, and the number of all. */
export interface Findings {
  readonly first: readonly { readonly path: readonly (string | number)[]; readonly complaint: Complaint }[];
  readonly count: number;
}

/** @param limit the bound that was passed, if there is one */
export const complaintOf = (code: Fault['code'], detail: string, limit?: number): Complaint =>
  limit === undefined ? { code, detail } : { code, detail, limit };

const wrongCount = (code: Fault['code'], bound: 'least' | 'most', unit: 'character' | 'item') => (limit: number) =>
  complaintOf(code, `must have at ${bound} ${limit} ${unit}${limit === 1 ? '' : 's'}`, limit);

const formats = {
  version: 'a version number, from 1 on',
  uuid: 'a UUID: hexadecimal digits as 8-4-4-4-12',
  'entity-tags': '* or a list of entity tags, each in double quotes',
  'idempotency-key': '1 to 255 visible ASCII characters, bare or in double quotes',
  'webhook-url': 'a URL like https://example.com/hooks, in ASCII, without user, password and fragment',
};

/** What metadata is the result of when its limits are checked. */
export type Made = 'merged' | 'restored';

const byPatch = 'send the fields that you want of this version by PATCH instead';

export const complaints = {
  required: () => complaintOf('required', 'is required'),
  requiredForPhone: () =>
    complaintOf(
      'required',
      'must be sent in the same request as type PHONE: GET /phone-numbers lists the ids; ' +
        'a patch without type keeps the stored number',
    ),
  unknownMember: (meant: string | undefined, known: readonly string[]) =>
    complaintOf(
      'unknown_member',
      meant
        ? `is not known; did you mean ${meant}?`
        : `is not known; what can be set is ${known.length > 0 ? known.join(', ') : 'nothing'}`,
    ),
  wrongType: (expected: string) => complaintOf('wrong_type', `must be ${expected}`),
  notNull: (expected: string) => complaintOf('not_null', `must be ${expected}, not null`),
  phoneNumberNotNull: () =>
    complaintOf(
      'not_null',
      'must be the id of an active phone number, not null, while type is PHONE; or set another type in the same request',
    ),
  notAllowed: (allowed: readonly unknown[], sent: unknown) => {
    const written = typeof sent === 'string' ? sent.toLowerCase() : undefined;
    const meant = allowed.find((name) => typeof name === 'string' && name.toLowerCase() === written);
    const hint = meant ? `; did you mean ${meant}?` : '';
    return complaintOf('not_allowed', `must be one of ${allowed.map(String).join(', ')}${hint}`);
  },
  tooSmall: (limit: number) => complaintOf('too_small', `must be at least ${limit}`, limit),
  tooLarge: (limit: number) => complaintOf('too_large', `must be at most ${limit}`, limit),
  tooShort: wrongCount('too_short', 'least', 'character'),
  tooLong: wrongCount('too_long', 'most', 'character'),
  tooMany: wrongCount('too_many', 'most', 'item'),
  tooFew: wrongCount('too_short', 'least', 'item'),
  blank: () => complaintOf('blank', 'must not be only white space'),
  readOnly: () => complaintOf('unknown_member', 'is read-only: leave it out'),
  badEncoding: () => complaintOf('bad_format', 'must be percent-encoded UTF-8: é is %C3%A9, and % itself is %25'),
  badFormat: (format: keyof typeof formats) => complaintOf('bad_format', `must be ${formats[format]}`),
  givenTwice: () => complaintOf('too_many', 'must be given once', 1),
  notOnDryRun: () =>
    complaintOf('not_allowed', 'must not be sent with dryRun=true: a dry run changes nothing that could be repeated'),
  badCharacters: () =>
    complaintOf('bad_characters', 'must not hold U+0000 or an unpaired surrogate, in a string or in a key'),
  numberTooLarge: () =>
    complaintOf(
      'too_large',
      'must be a number that JavaScript holds exactly: finite, and as an integer within ±(2^53 − 1); send larger ids as strings',
      Number.MAX_SAFE_INTEGER,
    ),
  numberTooLong: (limit: number) =>
    complaintOf(
      'too_long',
      `must have at most ${limit} characters when written without an exponent; round it, or send it as a string`,
      limit,
    ),
  keyNotAllowed: () =>
    complaintOf('not_allowed', 'must not be a key: __proto__, and prototype inside constructor, are refused'),
  phoneNumberNotFound: () =>
    complaintOf(
      'not_found',
      'must be the id of an active phone number of the company: GET /phone-numbers lists them; ' +
        'a patch without it and type PHONE keeps the stored number',
    ),
  restoredNumberNotFound: () =>
    complaintOf(
      'not_found',
      `must be an active phone number of the company, which that of this version no longer is: ${byPatch}`,
    ),
  /** The same complaint where a body cannot be corrected: a restore has none. */
  aboutVersion: ({ detail, ...complaint }: Complaint): Complaint => ({ ...complaint, detail: `${detail}: ${byPatch}` }),
  metadataBytes: (limit: number, reached: number, made: Made = 'merged') =>
    complaintOf('too_large', `must be at most ${limit} bytes of JSON once ${made}, but would be ${reached}`, limit),
  metadataDepth: (limit: number, reached: number, made: Made = 'merged') =>
    complaintOf('too_deep', `must be at most ${limit} levels deep once ${made}, but would be ${reached}`, limit),
  metadataKeys: (limit: number, reached: number, made: Made = 'merged') =>
    complaintOf(
      'too_many',
      `must have at most ${limit} keys at all levels once ${made}, but would have ${reached}`,
      limit,
    ),
} as const;

/** A fault at a place of the body. `path` holds keys and list positions from the root on. */
export function inBody(path: readonly (string | number)[], complaint: Complaint): Fault {
  return { in: 'body', pointer: pointer(path), ...complaint };
}

/** A fault of a path or query parameter or of a header. */
export function inParameter(place: Exclude<RequestPart, 'body'>, parameter: string, complaint: Complaint): Fault {
  return { in: place, parameter, ...complaint };
}
