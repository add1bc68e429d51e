import { beforeAll, describe, expect, test } from 'vitest';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { expectProblem } from '../support/problem.ts';
import { chunk, head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

/** Without the reference page, which `/` leads to. */
const world = await openWorld({ docs: false });
let key: string;
let agentId: string;

beforeAll(async () => {
  const company = await world.company();
  key = company.key;
  agentId = (await world.agent(company.id)).id;
});

const patch = (...more: string[]) =>
  head(
    `PATCH /agents/${agentId} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    ...more,
  );

/** Sends bytes on a connection of their own and reads the first answer. */
const exchange = (bytes: string) =>
  RawSocket.use(world.origin, (socket) => {
    socket.write(bytes);
    return socket.answer();
  });

describe('well-formed messages that HTTP forbids are answered 400 MALFORMED_REQUEST', () => {
  const host = 'Send exactly one Host header.';
  const expectation = 'The only expectation that is supported is "Expect: 100-continue".';
  const live = '/health/live';
  test.each<[what: string, bytes: () => string, instance: string | (() => string), detail: string]>([
    ['no Host', () => head(`GET ${live} HTTP/1.1`), live, host],
    ['two Hosts', () => head(`GET ${live} HTTP/1.1`, 'Host: api', 'Host: api'), live, host],
    ['two Hosts in HTTP/1.0', () => head(`GET ${live} HTTP/1.0`, 'Host: api', 'Host: other'), live, host],
    [
      'two Hosts and a path that no route has',
      () => head('GET /nowhere HTTP/1.1', 'Host: a', 'Host: b'),
      '/nowhere',
      host,
    ],
    ['a request line without a version', () => head(`GET ${live}`), live, 'Send HTTP/1.1.'],
    ['HTTP/2', () => head(`GET ${live} HTTP/2.0`, 'Host: api'), live, 'Send HTTP/1.1.'],
    ['an unknown expectation', () => head(`GET ${live} HTTP/1.1`, 'Host: api', 'Expect: more'), live, expectation],
    [
      'a path that cannot be decoded',
      () => head('GET /agents/%zz HTTP/1.1', 'Host: api'),
      '/agents/%zz',
      problemTexts.pathEncoding,
    ],
    [
      'a fragment behind the path',
      () => `${patch('Content-Length: 2').replace(agentId, `${agentId}#dryRun=true`)}{}`,
      () => `/agents/${agentId}#dryRun=true`,
      problemTexts.targetFragment,
    ],
    ['a fragment alone', () => head('GET /#top HTTP/1.1', 'Host: api'), '/#top', problemTexts.targetFragment],
    [
      'a fragment behind the query',
      () => `${patch('Content-Length: 2').replace(agentId, `${agentId}?dryRun=false#top`)}{}`,
      () => `/agents/${agentId}`,
      problemTexts.targetFragment,
    ],
    [
      'a body in another coding and in chunks',
      () => `${patch('Transfer-Encoding: gzip, chunked')}${chunk('{}')}${chunk('')}`,
      () => `/agents/${agentId}`,
      problemTexts.framing,
    ],
    [
      'the same in two headers',
      () => `${patch('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')}${chunk('{}')}${chunk('')}`,
      () => `/agents/${agentId}`,
      problemTexts.framing,
    ],
    [
      'a length and an empty Transfer-Encoding',
      () => `${patch('Transfer-Encoding:', 'Content-Length: 2')}{}`,
      () => `/agents/${agentId}`,
      problemTexts.framing,
    ],
  ])('%s', async (_, bytes, instance, detail) => {
    const path = typeof instance === 'string' ? instance : instance();
    expectProblem(await exchange(bytes()), { code: 'MALFORMED_REQUEST', instance: path, detail });
    expect((await world.patch(key, agentId, {})).status).toBe(200);
  });
});
