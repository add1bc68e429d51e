import { readFile } from 'node:fs/promises';
import type { Sent } from './http.ts';

/** One case of `public-reports.json`; the README beside the file's source explains the members. */
export interface Report {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly setup?: readonly unknown[];
  readonly parallel?: number;
  readonly sqlSetup?: string;
  readonly request: ReportedRequest;
  readonly expect: {
    readonly status: number | readonly number[];
    readonly bodyMustNotMatch?: string;
    readonly expectHeader?: Readonly<Record<string, string>>;
  };
}

interface ReportedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>> | readonly [string, string][];
  readonly headers: NonNullable<Sent['headers']>;
  readonly body?: unknown;
  readonly rawBody?: string;
  readonly rawBodyBase64?: string;
  readonly rawBodyRepeat?: Repeated;
  readonly noBody?: boolean;
}

interface Repeated {
  readonly prefix: string;
  readonly unit: string;
  readonly times: number;
  readonly middle: string;
  readonly closeUnit: string;
  readonly suffix: string;
}

export async function readReports(): Promise<readonly Report[]> {
  return JSON.parse(await readFile(new URL('../http/public-reports.json', import.meta.url), 'utf8'));
}

/** The request as it is sent. Its placeholders must be filled. */
export function toSent(request: ReportedRequest): Sent {
  const pairs = Array.isArray(request.query) ? request.query : Object.entries(request.query);
  const query = new URLSearchParams(pairs).toString();
  const body = bodyOf(request);
  return {
    method: request.method,
    path: query === '' ? request.path : `${request.path}?${query}`,
    headers: request.headers,
    ...(body !== undefined && { body }),
  };
}

function bodyOf({ noBody, rawBody, rawBodyBase64, rawBodyRepeat, body }: ReportedRequest): string | Buffer | undefined {
  if (noBody) return undefined;
  if (rawBody !== undefined) return rawBody;
  if (rawBodyBase64 !== undefined) return Buffer.from(rawBodyBase64, 'base64');
  if (rawBodyRepeat === undefined) return JSON.stringify(body);
  const { prefix, unit, times, middle, closeUnit, suffix } = rawBodyRepeat;
  return `${prefix}${unit.repeat(times)}${middle}${closeUnit.repeat(times)}${suffix}`;
}
