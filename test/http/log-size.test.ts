import { randomUUID } from 'node:crypto';
import { METHODS } from 'node:http';
import pLimit from 'p-limit';
import { pino } from 'pino';
import { beforeAll, expect, test, vi } from 'vitest';
import { logOptions } from '../../src/process/log-options.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { type Sent, send } from '../support/http.ts';
import { stopClock } from '../support/rate-limits.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;
let limitedKey: string;
let noDatabase: string;

beforeAll(async () => {
  const company = await world.company();
  key = company.key;
  limitedKey = await world.limitedKey(company.id, { perMinute: 1 });
});

const amount = 100;

/** The most bytes in the line of a refused request, with the longest request id, and faults or the cause of a 503. */
const longestLine = 800;

const limit = pLimit(20);
const many = (task: () => Promise<unknown>) => Promise.all(Array.from({ length: amount }, () => limit(task)));

/** The lines after the first `first` ones, once there are `count` of them. */
async function linesAfter(first: number, count: number): Promise<string[]> {
  await vi.waitUntil(() => world.logLines.length >= first + count, { timeout: 60_000 });
  return world.logLines.slice(first);
}

const longestMethod = METHODS.toSorted((one, other) => other.length - one.length)[0] ?? '';

test.each([
  { code: 'INVALID_API_KEY', status: 401, bearer: () => `sk_${'0'.repeat(43)}` },
  { code: 'RATE_LIMITED', status: 429, bearer: () => limitedKey },
  { code: 'RESOURCE_NOT_FOUND', status: 404, bearer: () => key },
  { code: 'VALIDATION_FAILED', status: 400, bearer: () => key, body: `{${'"unknown":1,'.repeat(99)}"name":7}` },
  { code: 'METHOD_NOT_ALLOWED', status: 405, bearer: () => key, method: longestMethod },
  { code: 'DATABASE_UNAVAILABLE', status: 503, bearer: () => key, withoutDatabase: true },
])(
  '$status $code, a hundred times: one log line each, without a stack, of at most 800 bytes',
  async ({ code, status, bearer, method = 'PATCH', body = '{}', withoutDatabase = false }) => {
    stopClock();
    if (withoutDatabase) {
      const server = await openAnotherServer(world, { databaseUrl: 'postgresql://server@127.0.0.1:1/nothing' });
      noDatabase = server.origin;
    }
    const origin = withoutDatabase ? noDatabase : world.origin;
    const headers = {
      authorization: `Bearer ${bearer()}`,
      'content-type': 'application/json',
      'x-request-id': 'x'.repeat(128),
    };
    const sent: Sent = { method, path: `/agents/${randomUUID()}?companyId=${'q'.repeat(8_000)}`, headers, body };
    if (code === 'RATE_LIMITED') await send(origin, sent);
    const first = world.logLines.length;
    await many(async () => expect((await send(origin, sent)).status).toBe(status));
    const lines = await linesAfter(first, amount);
    const ofRequests = lines.filter((line) => JSON.parse(line).code === code);
    expect(ofRequests).toHaveLength(amount);
    for (const line of lines) {
      expect(line).not.toMatch(/stack|\\n/);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(longestLine);
    }
    // Other lines, such as uses of keys that could not be written, do not grow with the requests.
    expect(lines.length).toBeLessThan(amount + 10);
  },
);

test('two hundred malformed messages have one log line each, of at most 200 bytes', async () => {
  const first = world.logLines.length;
  const message = `GET ${'/x'.repeat(3_000)} garbage\r\n\r\n`;
  const sendMalformed = () =>
    RawSocket.use(world.origin, async (socket) => {
      socket.write(message);
      expect(await socket.answer()).toMatchObject({ status: 400 });
    });
  await many(sendMalformed);
  await many(sendMalformed);
  const lines = await linesAfter(first, 2 * amount);
  expect(lines).toHaveLength(2 * amount);
  for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(200);
});

test('an error in the log has at most 500 characters of text, no API key, and a stack only where the code asks for one', () => {
  const lines: string[] = [];
  const logger = pino(logOptions('info'), { write: (line) => lines.push(line) });
  const err = new Error(`sk_${'a'.repeat(43)} ${'long '.repeat(20_000)}`);
  logger.warn({ err }, 'a warning');
  logger.error({ err, stack: err }, 'a failure');
  const [warning = '', failure = ''] = lines;
  expect(warning.length).toBeLessThan(700);
  expect(JSON.parse(warning)).toMatchObject({ err: { type: 'Error', message: expect.stringMatching(/^sk_… long /) } });
  expect(warning).not.toContain('stack');
  expect(failure.length).toBeLessThan(5_000);
  expect(JSON.parse(failure)).toMatchObject({ stack: expect.stringMatching(/^Error: sk_… long /) });
});
