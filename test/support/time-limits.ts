import { inject } from 'vitest';
import { type AppParts, buildApp } from '../../src/app.ts';
import { openDatabase } from '../../src/database/client.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The limits of the servers that tests open in their own process, unless a test gives others. */
    timeLimits?: TimeLimits;
  }
}

/**
 * `production`: the limits of a server in production. `patient`: a minute for a request and for each wait in it, so
 * that no test fails on a slow machine, except the tests of the limits themselves.
 */
export type TimeLimits = 'production' | 'patient';

/** Milliseconds of each `patient` limit. */
export const patience = 60_000;

export const usualLimits = (): TimeLimits => inject('timeLimits') ?? 'production';

/** Builds the app of a server with these limits; `longestRequest` of the parts comes first. */
export async function buildLimited(limits: TimeLimits, parts: AppParts) {
  if (limits === 'production') return await buildApp(parts);
  const app = await buildApp({ longestRequest: patience, ...parts });
  // Otherwise a connection whose request waits is closed after 11 s, and one whose request arrives slowly after 10 s.
  app.server.setTimeout(patience);
  app.server.headersTimeout = patience;
  app.server.requestTimeout = patience;
  return app;
}

/**
 * Opens a database for a server with these limits.
 * @param connectionLimit milliseconds to wait for a connection, instead of those of the limits
 */
export function openLimited(limits: TimeLimits, url: string, connections: number, connectionLimit?: number) {
  const limit = connectionLimit !== undefined && { connectionLimit };
  return limits === 'patient'
    ? openDatabase({ url: patientUrl(url), connections, statementLimit: patience, connectionLimit: patience, ...limit })
    : openDatabase({ url, connections, ...limit });
}

/**
 * The same database, in whose sessions the time limits of the role are a minute, and a lock may be held without an end, unless
 * the URL sets others.
 */
export function patientUrl(url: string): string {
  const changed = new URL(url);
  const limits = { statement_timeout: patience, lock_timeout: patience, idle_in_transaction_session_timeout: 0 };
  const options = Object.entries(limits).map(([name, value]) => `-c ${name}=${value}`);
  const given = changed.searchParams.get('options') ?? '';
  changed.searchParams.set('options', [...options, given].join(' ').trim());
  return changed.href;
}
