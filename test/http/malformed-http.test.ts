import { describe, expect, test } from 'vitest';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { type ProblemCode, problems } from '../../src/http/problems.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { expectRefusal, newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { chunk, exchange, head, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

/** Without the reference page, to which `/` redirects. */
const world = await openWorld({ docs: false });
const agent = await newSubject(world);
const { key, id: agentId } = agent;
const patch = (...more: string[]) => patchHead(agent, ...more);

async function expectService(): Promise<void> {
  expect((await world.patch(key, agentId, {})).status).toBe(200);
}

type Case = [what: string, bytes: () => string, detail: string, code?: ProblemCode];
const { headerCharacters, httpVersion, methodUnknown, requestLine, targetCharacters } = problemTexts;
const headersTooLarge = problems.HEADERS_TOO_LARGE.detail;

describe('bytes that are no HTTP are answered with a problem and the connection is closed; other requests are served', () => {
  test.each<Case>([
    ['bytes of another protocol', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', methodUnknown],
    ['an unknown method', () => head('GRAB / HTTP/1.1', 'Host: api'), methodUnknown],
    ['a method in lower case', () => patch('Content-Length: 2').replace('PATCH', 'patch'), methodUnknown],
    ['a method with a capital letter', () => patch('Content-Length: 2').replace('PATCH', 'Patch'), methodUnknown],
    ['a body instead of a request', () => '{"duration":45}\r\n\r\n', methodUnknown],
    ['an unknown version', () => head('GET / HTTP/7.3', 'Host: api'), httpVersion],
    ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', httpVersion],
    ['a space in the path', () => head('GET /agents?name=a b HTTP/1.1', 'Host: api'), requestLine],
    ['a letter in Latin-1 in the path', () => head('GET /agents/\xe9 HTTP/1.1', 'Host: api'), targetCharacters],
    ['a path without a slash', () => head('GET agents HTTP/1.1', 'Host: api'), targetCharacters],
    ['NUL in a header', () => patch('X-Nul: a\0b'), headerCharacters],
    ['a header without a colon', () => patch('no colon'), headerCharacters],
    ['a space before a colon', () => patch('X-Space : a'), headerCharacters],
    ['a header folded over two lines', () => patch('X-Folded: a', ' b', 'Content-Length: 0'), headerCharacters],
    ['a line that ends in a bare CR', () => 'GET / HTTP/1.1\rHost: api\r\n\r\n', problems.MALFORMED_REQUEST.detail],
    ['CONNECT', () => head('CONNECT example.com:443 HTTP/1.1', 'Host: api'), problemTexts.connectMethod],
    ['a header of 17 KB', () => patch(`X-Long: ${'x'.repeat(17 * 1024)}`), headersTooLarge, 'HEADERS_TOO_LARGE'],
    [
      'a path of 17 KB',
      () => head(`GET /${'x'.repeat(17 * 1024)} HTTP/1.1`, 'Host: api'),
      headersTooLarge,
      'HEADERS_TOO_LARGE',
    ],
    [
      '8 MB of headers, sent without a look at the answer',
      () => patch(longHeaders),
      headersTooLarge,
      'HEADERS_TOO_LARGE',
    ],
  ])('%s', async (_, bytes, detail, code = 'MALFORMED_REQUEST') => {
    await RawSocket.use(world.origin, async (socket) => {
      socket.write(bytes());
      const [answer, ...more] = await socket.untilClosed();
      if (!answer) throw new Error('no answer');
      expectProblem(answer, { code, instance: '', detail });
      expect(answer.headers['connection']).toBe('close');
      expect(more).toEqual([]);
      expect(socket.ending).toBe('closed');
    });
    await expectService();
  });
});

describe('request target and headers may have 16 KiB, and no byte more', () => {
  const name = 'X-Long';
  const others = ['/health/live', 'Host', 'api', 'Connection', 'close'].join('').length;
  const sent = (bytes: number) => {
    const long = `${name}: ${'x'.repeat(bytes - others - name.length)}`;
    return exchange(world.origin, head('GET /health/live HTTP/1.1', 'Host: api', 'Connection: close', long));
  };
  test('16,384 bytes are 200, 16,385 are 431', async () => {
    expect(await sent(16_384)).toMatchObject({ status: 200, body: { status: 'ok' } });
    expectProblem(await sent(16_385), { code: 'HEADERS_TOO_LARGE', instance: '' });
  });
});

const longHeaders = Array.from({ length: 800 }, () => `X-Long: ${'x'.repeat(10_000)}`).join('\r\n');

describe('a malformed body is answered with a problem and the connection is closed; other requests are served', () => {
  const { chunkSize, framing } = problemTexts;
  test.each<Case>([
    ['two lengths', () => `${patch('Content-Length: 2', 'Content-Length: 3')}{}`, framing],
    ['a length that is no number', () => `${patch('Content-Length: two')}{}`, framing],
    [
      'a length and chunks',
      () => `${patch('Content-Length: 2', 'Transfer-Encoding: chunked')}${chunk('{}')}${chunk('')}`,
      framing,
    ],
    [
      'chunks inside another coding',
      () => `${patch('Transfer-Encoding: chunked, gzip')}${chunk('{}')}${chunk('')}`,
      framing,
    ],
    [
      'a chunk size that is no number',
      () => `${patch('Transfer-Encoding: chunked')}zz\r\n{}\r\n${chunk('')}`,
      chunkSize,
    ],
    [
      'a chunk size beyond all numbers',
      () => `${patch('Transfer-Encoding: chunked')}${'f'.repeat(20)}\r\n{}`,
      chunkSize,
    ],
    [
      'a chunk that is longer than its size',
      () => `${patch('Transfer-Encoding: chunked')}1\r\n{}\r\n${chunk('')}`,
      problems.MALFORMED_REQUEST.detail,
    ],
  ])('%s', async (_, bytes, detail) => {
    await RawSocket.use(world.origin, async (socket) => {
      socket.write(bytes());
      const [answer, ...more] = await socket.untilClosed();
      expect(answer).toMatchObject({ status: 400, body: { code: 'MALFORMED_REQUEST', detail } });
      expect(answer?.headers).toMatchObject({ 'content-type': 'application/problem+json', connection: 'close' });
      expect(answer?.body).toMatchObject({ requestId: answer?.headers['x-request-id'] });
      expect(more).toEqual([]);
      expect(socket.ending).toBe('closed');
    });
    await expectService();
  });
});

describe('unusual messages that HTTP allows are served', () => {
  test('HTTP/1.0 needs no Host header, and its connection is closed after the answer', () =>
    RawSocket.use(world.origin, async (socket) => {
      socket.write(head('GET /health/live HTTP/1.0'));
      const answers = await socket.untilClosed();
      expect(answers.map(({ status }) => status)).toEqual([200]);
    }));

  test('of a target in absolute form the path is used', async () => {
    const bytes = patch('Content-Length: 2').replace(' /agents', ' HTTP://other.example:1/agents');
    expect(await exchange(world.origin, `${bytes}{}`)).toMatchObject({ status: 200, body: { id: agentId } });
  });

  test.each(['http://api', 'http://api/', 'http://api?a=1'])('the target %s means the path /: 404', async (target) => {
    const answer = await exchange(world.origin, head(`GET ${target} HTTP/1.1`, 'Host: api'));
    expectProblem(answer, { code: 'ROUTE_NOT_FOUND', instance: '/' });
  });

  test('OPTIONS * is answered 404 ROUTE_NOT_FOUND, with and without the reference page', async () => {
    const { origin: withPage } = await openAnotherServer(world);
    for (const origin of [world.origin, withPage]) {
      const answer = await exchange(origin, head('OPTIONS * HTTP/1.1', 'Host: api'));
      expectProblem(answer, { code: 'ROUTE_NOT_FOUND', instance: '*' });
    }
  });

  test('a path that begins with * instead of / has no route: 404, and nothing is changed', async () => {
    const path = `*agents/${agentId}`;
    const bytes = patch('Content-Length: 15').replace(`/agents/${agentId}`, path);
    const send = () => exchange(world.origin, `${bytes}{"duration":45}`);
    await expectRefusal(world, agentId, send, { code: 'ROUTE_NOT_FOUND', instance: path });
  });

  test('an offered upgrade is ignored', async () => {
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
    expect(await exchange(world.origin, head('GET /health/live HTTP/1.1', 'Host: api', ...upgrade))).toMatchObject({
      status: 200,
    });
  });

  test('a chunked body is read to its end; chunk extensions and trailers are ignored', async () => {
    const body = '1\r\n{\r\n1;extension=1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n';
    expect(await exchange(world.origin, `${patch('Transfer-Encoding: chunked')}${body}`)).toMatchObject({
      status: 200,
    });
  });

  test('the name of the coding in chunks may have capital letters', async () => {
    const bytes = `${patch('Transfer-Encoding: Chunked')}${chunk('{}')}${chunk('')}`;
    expect(await exchange(world.origin, bytes)).toMatchObject({ status: 200 });
  });

  test('empty lines before a request are ignored', async () => {
    expect(await exchange(world.origin, `\r\n\r\n${patch('Content-Length: 2')}{}`)).toMatchObject({ status: 200 });
  });
});
