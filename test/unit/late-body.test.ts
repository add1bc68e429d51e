import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { body } from '../../src/http/body.ts';
import { connections } from '../../src/http/connections.ts';
import { errorHandler } from '../../src/http/error-handler.ts';
import { requestLog } from '../../src/http/request-log.ts';
import { httpServer } from '../../src/http/server.ts';
import { silent } from '../../src/metrics/meter.ts';
import { head, RawSocket } from '../support/raw-socket.ts';

test('a request whose body arrives late, while its answer is being sent, gets no second answer', async () => {
  const app = httpServer(pino({ level: 'silent' }));
  onTestFinished(() => app.close());
  for (const plugin of [errorHandler, connections, body]) await app.register(plugin);
  await app.register(requestLog, { meter: silent });
  const answer = new PassThrough();
  app.get('/', (_, reply) => reply.send(answer));
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  await RawSocket.use(origin, async (socket) => {
    socket.write(head('GET / HTTP/1.1', 'Host: api', 'Content-Length: 5'));
    const [request] = await once(app.server, 'request');
    const isLate = once(app.server, 'clientError');
    app.server.headersTimeout = 200;
    app.server.requestTimeout = 200;
    answer.write('begun');
    await isLate;
    socket.write('12345');
    await once(request.resume(), 'end');
    answer.end();
    await expect.poll(() => socket.ending).toBe('closed');
    expect(socket.received.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });
});
