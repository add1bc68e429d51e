import { codeOf, isOfUnknownAuthority } from '../errors.ts';
import { ApiError } from '../http/problems.ts';
import { isDatabaseError, isWrongCall, mayHaveBeenDone, NotBegunError, sqlState } from './failures.ts';

/** About a pooler whose sessions have named statements of other connections, or lack those of this one. */
export const unknownNames =
  'DATABASE_URL leads to a pooler that does not know named statements: set DATABASE_PREPARED_STATEMENTS=false, or name ' +
  'PostgreSQL itself';

/** Sentences for operators by SQLSTATE or its beginning; the longest match is used. */
const byState: Readonly<Record<string, string>> = {
  '08': 'the connection to the database broke: try again once it answers',
  '08P01':
    'a pooler, or what else answers for the database, refused or ended the connection, and its log says why: the database ' +
    'or the user may be unknown there, or options, in DATABASE_URL or PGOPTIONS, not be allowed',
  '22021': 'a text holds a character that the database cannot store',
  '22P05': 'a text holds a character that the database cannot store',
  '25006': 'the database is read-only: DATABASE_URL must name the primary',
  '26000': unknownNames,
  '28':
    'the database refuses the user or the password of DATABASE_URL, or does not admit this connection: its pg_hba.conf may ' +
    'lack the user, the host or the database, or ask for TLS (sslmode=verify-full in DATABASE_URL) or a certificate ' +
    '(sslcert, sslkey), or the user may not log in',
  '28P01': 'the database refuses the user or the password of DATABASE_URL',
  '3D000': 'the database that DATABASE_URL names does not exist',
  '40': 'a concurrent transaction conflicts with the command: try again',
  '42501':
    'the role in DATABASE_URL lacks a right: for a server, run npm run migrate -- --server-role NAME as the ' +
    'owner of the tables; for a command, use that owner',
  '42704': 'a role of that name does not exist: make it with CREATE ROLE … LOGIN',
  '42703': 'the database lacks a column: run npm run migrate',
  '42P01': 'the database lacks a table: run npm run migrate',
  '42P05': unknownNames,
  '53100': 'the disk of the database is full',
  '53300': 'the database has no connection left: try again later',
  '55P03': 'another transaction holds a lock that the command needs: try again later',
  '57014': 'the database took longer than a statement may: try again when it is less busy',
  '57P': 'the database is starting or stopping: try again once it answers',
};

/** Sentences by the error code of a connection that could not be opened. */
const bySystemCode: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired (CERT_HAS_EXPIRED)',
  ECONNREFUSED: 'nothing listens at its address (ECONNREFUSED)',
  ECONNRESET: 'the connection broke (ECONNRESET)',
  EHOSTUNREACH: 'its host cannot be reached (EHOSTUNREACH)',
  ENETUNREACH: 'its network cannot be reached (ENETUNREACH)',
  ENOENT: 'there is no socket at its path (ENOENT)',
  ENOTFOUND: 'its host has no address (ENOTFOUND)',
  EAI_AGAIN: 'its host has no address for now (EAI_AGAIN)',
  ETIMEDOUT: 'its host does not answer (ETIMEDOUT)',
  ERR_INVALID_URL: 'DATABASE_URL is not a URL',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than that in DATABASE_URL',
};

/** Sentences by the beginning of a message of `pg`, whose own errors have no code. */
const byMessage = [
  ['timeout expired', 'its host does not answer'],
  ['Connection terminated unexpectedly', 'what listens at its address closed the connection: it may not be PostgreSQL'],
  ['The server does not support SSL connections', 'it has no TLS, which DATABASE_URL asks for: see sslmode'],
  ['There was an error establishing an SSL connection', 'what listens at its address may not be PostgreSQL'],
  ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password', 'it asks for a password, and DATABASE_URL has none'],
  ['Password must be a string', 'it asks for a password, and DATABASE_URL has none'],
  [
    'SECURITY WARNING: Using sslmode=verify-ca',
    'sslmode=verify-ca with uselibpqcompat needs sslrootcert in DATABASE_URL',
  ],
] as const;

/** A sentence for an operator about an error of the database; undefined for other errors. Never a library's message. */
export function reasonOf(error: unknown): string | undefined {
  if (error instanceof ApiError && error.code === 'DATABASE_UNAVAILABLE') {
    return reasonOf(error.cause) ?? 'the database did not answer in time: check what was done before you try again';
  }
  if (error instanceof NotBegunError) return `${error.message}: this one was not begun, try again later`;
  const state = sqlState(error);
  if (state !== undefined) {
    const known = [5, 3, 2].flatMap((length) => byState[state.slice(0, length)] ?? []);
    return known[0] ?? `the database refused the command (SQLSTATE ${state})`;
  }
  if (isWrongCall(error)) return 'the command met a fault of this program: report it, with the command';
  return isDatabaseError(error)
    ? 'the database did not answer, or the connection to it broke: try again once it answers'
    : undefined;
}

/**
 * Like `reasonOf`, about an operator's command, which may have been committed although its connection was lost. The sentence must
 * be true of commands that only read as well, such as `audit list`, and of an erasure that did a part.
 */
export const commandReasonOf = (error: unknown): string | undefined =>
  mayHaveBeenDone(error)
    ? 'the database did not answer, or the connection to it broke: once it answers, audit list shows what the command ' +
      'has done: repeat it unless that is everything'
    : reasonOf(error);

/**
 * A sentence for an operator about a connection that could not be opened. Never a library's message, except OpenSSL's about a
 * certificate. If a name has several addresses, the error has one for each: the first is used.
 */
export function connectionReasonOf(error: unknown): string {
  if (error instanceof AggregateError) return connectionReasonOf(error.errors[0]);
  // While a connection is opened, no statement has run: a wrong name or value is one in `options`.
  if (/^(22|42(601|704))/.test(sqlState(error) ?? '')) {
    return `options in DATABASE_URL has a name or a value that the database does not accept (SQLSTATE ${sqlState(error)})`;
  }
  // A database that refused the connection has been reached.
  return reasonOf(error) ?? `the database cannot be reached: ${unreached(error)}`;
}

/** OpenSSL's message about a certificate names what is wrong with it, and is what operators search for. */
const certificateCode = /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_)/;

const remedy = ': name the file of its certificate authority in DATABASE_URL, as sslrootcert=/path/to/ca.pem';

function unreached(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  // Files are read only for TLS. A socket that is missing is an error of `connect`, not of `open`.
  if (code === 'EISDIR' || (error instanceof Error && 'syscall' in error && error.syscall === 'open')) {
    return `a file that sslrootcert, sslcert or sslkey names cannot be read (${code})`;
  }
  if (code?.startsWith('ERR_OSSL_'))
    return `a file that sslrootcert, sslcert or sslkey names has no valid PEM (${code})`;
  const known = bySystemCode[code ?? ''] ?? byMessage.find(([beginning]) => message.startsWith(beginning))?.[1];
  if (known !== undefined) return known;
  if (code !== undefined && certificateCode.test(code)) return message + (isOfUnknownAuthority(error) ? remedy : '');
  return `the connection failed${code === undefined ? '' : ` (${code})`}`;
}
