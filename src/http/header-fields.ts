import { type Complaint, type Findings, listedFaults } from './faults.ts';
import { isRecord } from './json.ts';
import { webhookComplaints as complaints } from './webhook-complaints.ts';

/** The name of a header: a token (RFC 9110, section 5.6.2) that begins with a letter or digit, so that none is `__proto__`. */
export const headerName = /^[0-9A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]{0,99}$/;

/** Visible ASCII, with blanks inside: what every server reads alike (RFC 9110, section 5.5). */
export const headerValue = /^[!-~](?:[\t -~]{0,4094}[!-~])?$/;

/** Headers that frame a message, or that the server sets itself on each request that it sends. */
const ownNames = new Set([
  ...['connection', 'content-encoding', 'content-length', 'content-type', 'expect', 'host', 'http2-settings'],
  ...['keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);
const ownPrefixes = /^(?:webhook|proxy)-/;

function complaintAbout(name: string, value: unknown): Complaint | undefined {
  if (!headerName.test(name)) return complaints.badHeaderName();
  const lowerCase = name.toLowerCase();
  if (ownNames.has(lowerCase) || ownPrefixes.test(lowerCase)) return complaints.ownHeader();
  return value === null || (typeof value === 'string' && headerValue.test(value))
    ? undefined
    : complaints.badHeaderValue();
}

/** What is wrong with headers that are to be sent with requests; null as a value removes one. */
export function wrongHeaderFields(headers: unknown): Findings {
  if (!isRecord(headers)) return { first: [], count: 0 };
  const wrong = Object.entries(headers).flatMap(([name, value]) => {
    const complaint = complaintAbout(name, value);
    return complaint ? [{ path: [name], complaint }] : [];
  });
  return { first: wrong.slice(0, listedFaults), count: wrong.length };
}
