import { setImmediate } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { failure, openDeliverer, openFullReceiver, openSocketServer, untilConnecting } from '../support/attempts.ts';
import { openReceiver } from '../support/receiver.ts';

test.each([200, 201, 202, 204, 299])('%d is a success', async (status) => {
  const receiver = await openReceiver((_, response) => response.writeHead(status).end());
  expect(await openDeliverer().deliver(receiver.url)).toEqual({ isDelivered: true, status, error: null, answer: '' });
});

test.each([301, 302, 303, 307, 308])('%d is a failure, and the redirect is not followed', async (status) => {
  const target = await openReceiver();
  const receiver = await openReceiver((_, response) => response.writeHead(status, { location: target.url }).end());
  expect(await openDeliverer().deliver(receiver.url)).toMatchObject({ isDelivered: false, status });
  expect(target.received).toEqual([]);
});

test.each([304, 400, 401, 404, 410, 429, 500, 503])('%d is a failure', async (status) => {
  const receiver = await openReceiver((_, response) => response.writeHead(status, { 'retry-after': '7' }).end());
  expect(await openDeliverer().deliver(receiver.url)).toMatchObject({
    ...{ isDelivered: false, status, error: `the answer was ${status}`, retryAfter: '7' },
  });
});

test('of a long answer 1 KiB is kept and the rest is not read', async () => {
  let sent: number | undefined;
  const receiver = await openReceiver((_, response) => {
    const { socket } = response;
    response.on('close', () => {
      sent = socket?.bytesWritten;
    });
    const send = () => {
      while (response.write('é'.repeat(4_096)));
      response.once('drain', send);
    };
    send();
  });
  const result = await openDeliverer().deliver(receiver.url);
  expect(result).toEqual({ isDelivered: true, status: 200, error: null, answer: 'é'.repeat(512) });
  await vi.waitUntil(() => sent !== undefined, { timeout: 60_000 });
  // The bytes that socket buffers hold beyond what was read.
  expect(sent).toBeLessThan(16 * 1_024 * 1_024);
});

test('an answer that is no text is kept as text of at most 1 KiB, without characters that PostgreSQL cannot store', async () => {
  const receiver = await openReceiver((_, response) => response.end(Buffer.alloc(2_000, Buffer.from([0, 255]))));
  const result = await openDeliverer().deliver(receiver.url);
  expect(result?.answer).toBe('\uFFFD'.repeat(341));
});

test('an answer with endless headers is refused', async () => {
  const { port } = await openSocketServer((socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 200 OK\r\n');
    const send = () => {
      while (socket.writable && socket.write(`x-header: ${'x'.repeat(1_000)}\r\n`));
    };
    socket.on('drain', send);
    send();
  });
  expect(await openDeliverer().deliver(`http://127.0.0.1:${port}/`)).toEqual(
    failure('no answer: UND_ERR_HEADERS_OVERFLOW'),
  );
});

test('informational answers without end are refused, and a few are not', async () => {
  const early = 'HTTP/1.1 103 Early Hints\r\n\r\n';
  let sent = 0;
  const { port } = await openSocketServer((socket) => {
    socket.on('error', () => {});
    const send = () => {
      while (socket.writable && socket.write(early.repeat(1_000)));
      sent = socket.bytesWritten;
    };
    socket.on('drain', send);
    socket.once('data', send);
  });
  const { deliver } = openDeliverer();
  expect(await deliver(`http://127.0.0.1:${port}/`)).toEqual(failure('no answer: UND_ERR_HEADERS_OVERFLOW'));
  // The bytes that socket buffers hold beyond what was read.
  expect(sent).toBeLessThan(16 * 1_024 * 1_024);
  const few = await openSocketServer((socket) => {
    socket.once('data', () => socket.end(`${early.repeat(8)}HTTP/1.1 204 No Content\r\n\r\n`));
  });
  expect(await deliver(`http://127.0.0.1:${few.port}/`)).toMatchObject({ isDelivered: true, status: 204 });
});

test('an attempt ends after 10 s, whether it waits for the name, the answer or the end of the answer', async () => {
  const silent = await openReceiver(() => {});
  const slow = await openReceiver((_, response) => response.writeHead(200).write('begun'));
  const byName = openDeliverer(() => new Promise(() => {}), undefined, {});
  const { deliver } = openDeliverer(undefined, undefined, {});
  const start = performance.now();
  expect(await Promise.all([byName.deliver('http://slow.example/'), deliver(silent.url), deliver(slow.url)])).toEqual([
    failure('no answer within 10 s'),
    failure('no answer within 10 s'),
    { isDelivered: true, status: 200, error: null, answer: 'begun' },
  ]);
  expect(performance.now() - start).toBeGreaterThan(9_900);
});

test('refused and broken connections, and failed lookups, are reported by their error code only', async () => {
  const { port } = await openSocketServer((socket) => socket.destroy());
  const gone = await openReceiver();
  await new Promise((resolve) => gone.server.close(resolve));
  const { deliver } = openDeliverer();
  const failing = openDeliverer(() => Promise.reject(Object.assign(new Error('secret'), { code: 'ESERVFAIL' })));
  expect(await deliver(`http://127.0.0.1:${gone.port}/`)).toEqual(failure('no answer: ECONNREFUSED'));
  expect(await deliver(`http://127.0.0.1:${port}/`)).toEqual(failure('no answer: UND_ERR_SOCKET'));
  expect(await failing.deliver('http://unknown.example/')).toEqual(failure('no answer: ESERVFAIL'));
});

test('a name that does not exist, has no address or leads inside fails with one text', async () => {
  const unknown = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));
  const many = Array.from({ length: 65 }, (_, at) => `10.0.0.${at}`);
  const lookups = [
    ...[() => unknown('ENOTFOUND'), () => unknown('ENODATA'), async () => []],
    ...[async () => ['10.0.0.1'], async () => ['8.8.8.8', 'fd00::1'], async () => many],
  ];
  const results = await Promise.all(lookups.map((lookup) => openDeliverer(lookup).deliver('http://vault.example/')));
  expect(results).toEqual(lookups.map(() => failure('the name has no address, or one that is not public')));
});

test('no error contains a secret or a header, whatever is wrong with them', async () => {
  const receiver = await openReceiver();
  const { deliver } = openDeliverer();
  const results = [
    await deliver(receiver.url, { headers: { authorization: 'tell-nobody\r\nx: y' } }),
    await deliver(receiver.url, { headers: { 'transfer-encoding': 'tell-nobody' } }),
    await deliver(receiver.url, { headers: { 'bad name': 'tell-nobody' } }),
    await deliver(receiver.url, { secrets: ['tell-nobody'] }),
    await deliver('http://tell-nobody@127.0.0.1/'),
  ];
  for (const result of results) expect(result).toMatchObject({ isDelivered: false, status: null });
  expect(JSON.stringify(results)).not.toContain('tell-nobody');
  expect(receiver.received).toEqual([]);
});

test('headers of an endpoint do not replace those of the event', async () => {
  const receiver = await openReceiver();
  await openDeliverer().deliver(receiver.url, {
    headers: { 'Content-Type': 'text/plain', 'Webhook-Id': 'msg_2', 'WEBHOOK-SIGNATURE': 'v1,none', 'X-Own': 'kept' },
  });
  const [received] = receiver.received;
  expect(received?.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': 'msg_1',
    'x-own': 'kept',
  });
  expect(received?.headers['webhook-signature']).not.toContain('none');
});

test('an abort ends attempts without a result, also those that begin afterwards', async () => {
  const receiver = await openReceiver(() => abort());
  const { deliver, abort } = openDeliverer();
  expect(await deliver(receiver.url)).toBeUndefined();
  expect(await deliver(receiver.url)).toBeUndefined();
  expect(receiver.received).toHaveLength(1);
});

test('an abort ends an attempt whose connection is still being made', async () => {
  const { port } = await openFullReceiver(['127.0.0.1']);
  const { deliver, abort } = openDeliverer();
  const ended = vi.fn();
  void deliver(`http://127.0.0.1:${port}/`).then(ended);
  await untilConnecting(port);
  abort();
  await setImmediate();
  expect(ended.mock.calls).toEqual([[undefined]]);
});
