import { describe, expect, test } from 'vitest';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { chunk, exchange, head, patchHead } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

/** Without the reference page, which `/` leads to. */
const world = await openWorld({ docs: false });
const agent = await newSubject(world);
const patch = (...more: string[]) => patchHead(agent, ...more);

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
      () => `${patch('Content-Length: 2').replace(agent.id, `${agent.id}#dryRun=true`)}{}`,
      () => `/agents/${agent.id}#dryRun=true`,
      problemTexts.targetFragment,
    ],
    ['a fragment alone', () => head('GET /#top HTTP/1.1', 'Host: api'), '/#top', problemTexts.targetFragment],
    [
      'a fragment behind the query',
      () => `${patch('Content-Length: 2').replace(agent.id, `${agent.id}?dryRun=false#top`)}{}`,
      () => `/agents/${agent.id}`,
      problemTexts.targetFragment,
    ],
    [
      'a body in another coding and in chunks',
      () => `${patch('Transfer-Encoding: gzip, chunked')}${chunk('{}')}${chunk('')}`,
      () => `/agents/${agent.id}`,
      problemTexts.framing,
    ],
    [
      'the same in two headers',
      () => `${patch('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')}${chunk('{}')}${chunk('')}`,
      () => `/agents/${agent.id}`,
      problemTexts.framing,
    ],
    [
      'a length and an empty Transfer-Encoding',
      () => `${patch('Transfer-Encoding:', 'Content-Length: 2')}{}`,
      () => `/agents/${agent.id}`,
      problemTexts.framing,
    ],
  ])('%s', async (_, bytes, instance, detail) => {
    const path = typeof instance === 'string' ? instance : instance();
    expectProblem(await exchange(world.origin, bytes()), { code: 'MALFORMED_REQUEST', instance: path, detail });
    expect((await world.patch(agent.key, agent.id, {})).status).toBe(200);
  });
});
