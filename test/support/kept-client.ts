import { Agent } from 'node:http';
import { onTestFinished } from 'vitest';
import { type Answer, type Sent, send } from './http.ts';
import { type AtEnd, startServer } from './process.ts';
import type { World } from './world.ts';

export interface Call {
  /** Method and path, as in "PATCH /agents/…". */
  readonly line: string;
  readonly body?: unknown;
  readonly headers?: Sent['headers'];
}

export type Client = (origin: string, call: Call) => Promise<Answer>;

/** A client with a key and one connection to each server, which stays open. */
export function openClient(key: string, atEnd: AtEnd = onTestFinished): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  atEnd(async () => agent.destroy());
  return (origin, { line, body, headers = {} }) => {
    const [method = '', path = ''] = line.split(' ');
    const hasBody = body !== undefined;
    const type = hasBody && { 'content-type': 'application/json' };
    const sent = { method, path, headers: { authorization: `Bearer ${key}`, ...type, ...headers }, agent };
    return send(origin, { ...sent, ...(hasBody && { body: JSON.stringify(body) }) });
  };
}

/** A server process on a world's database, without rate limits. */
export function startUnlimited(
  { databaseUrl, secret }: Pick<World, 'databaseUrl' | 'secret'>,
  env: Readonly<Record<string, string>> = {},
  atEnd: AtEnd = onTestFinished,
) {
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  // Otherwise each 503 would be logged.
  const log = { LOG_LEVEL: 'fatal' };
  return startServer({ DATABASE_URL: databaseUrl, API_KEY_SECRET: secret, ...limits, ...log, ...env }, { atEnd });
}
