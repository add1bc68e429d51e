import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { problems } from '../../../src/http/problems.ts';
import { expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { chunk, exchange, head, patchHead, RawSocket } from '../../support/raw-socket.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const limit = 256 * 1024;
/** A patch of exactly `bytes` bytes. */
const ofSize = (bytes: number) => `{"name":"Sized"}`.padEnd(bytes);

/** The bytes of a text as chunks of one byte, in the form in which raw sockets write them. */
const latin1ChunksOf = (text: string) =>
  [...Buffer.from(text).toString('latin1')].map((byte) => `1\r\n${byte}\r\n`).join('') + chunk('');

/** A chunked body without a Content-Length. */
const sendChunked = (id: string, key: string, text: string) =>
  RawSocket.use(world.origin, async (socket) => {
    const type = ['content-type: application/json', 'transfer-encoding: chunked'];
    socket.write(head(`PATCH /agents/${id} HTTP/1.1`, 'host: test', `authorization: Bearer ${key}`, ...type));
    for (const part of text.match(/.{1,65536}/g) ?? []) socket.write(chunk(part));
    socket.write('0\r\n\r\n');
    return socket.answer();
  });

test('a chunked body of exactly 256 KiB is read', async () => {
  const agent = await newSubject(world);
  expect(await sendChunked(agent.id, agent.key, ofSize(limit))).toMatchObject({ status: 200, body: { name: 'Sized' } });
});

test.for([limit + 1, 1_000_000])('a chunked body of %d bytes is refused', async (bytes) => {
  const agent = await newSubject(world);
  const send = () => sendChunked(agent.id, agent.key, ofSize(bytes));
  await expectRefusal(world, agent.id, send, { code: 'PAYLOAD_TOO_LARGE' });
});

test.for([
  ['with a type is refused as missing', ['content-type: application/json'], 'MALFORMED_BODY', problemTexts.bodyMissing],
  ['without a type is refused for its type', [], 'UNSUPPORTED_MEDIA_TYPE', problems.UNSUPPORTED_MEDIA_TYPE.detail],
] as const)('a chunked body without content %s', async ([, type, code, detail]) => {
  const { id, key } = await newSubject(world);
  const headers = ['host: test', `authorization: Bearer ${key}`, 'transfer-encoding: chunked', ...type];
  const send = () => exchange(world.origin, head(`PATCH /agents/${id} HTTP/1.1`, ...headers) + chunk(''));
  await expectRefusal(world, id, send, { code, detail });
});

test('a body of which each byte is a chunk is read as one', async () => {
  const agent = await newSubject(world);
  const text = ofSize(20_000).replace('Sized', 'Größe');
  const bytes = patchHead(agent, 'Transfer-Encoding: chunked') + latin1ChunksOf(text);
  expect(await exchange(world.origin, bytes)).toMatchObject({ status: 200, body: { name: 'Größe' } });
});

test('a chunked body is refused as soon as 256 KiB are passed, and the rest is discarded: the next request is served', async () => {
  const agent = await newSubject(world);
  const part = chunk('x'.repeat(65_536));
  await RawSocket.use(world.origin, async (socket) => {
    socket.write(patchHead(agent, 'Transfer-Encoding: chunked') + part.repeat(4) + chunk('x'));
    expectProblem(await socket.answer(), { code: 'PAYLOAD_TOO_LARGE', instance: `/agents/${agent.id}` });
    socket.write(part.repeat(100) + chunk(''));
    socket.write(`${patchHead(agent, 'Content-Length: 2')}{}`);
    expect(await socket.answer(1)).toMatchObject({ status: 200 });
    expect(socket.answers[0]?.headers).not.toHaveProperty('connection', 'close');
  });
});
