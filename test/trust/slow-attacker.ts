import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { head } from '../support/raw-socket.ts';
import { tickedTime } from '../support/ticks.ts';

// A program of its own, so that it does not slow down the measuring process. Opens 500 sockets with slow headers, 500
// with slow bodies and 200 silent ones; prints for each the time at which the server closed it, and the status.
const [origin = '', id, key] = process.argv.slice(2);
const { hostname, port } = new URL(origin);

/** Sends the first bytes, then one more every two seconds, until the server closes the connection. */
async function hold(begin: string, trickle: string) {
  const start = tickedTime();
  const socket = connect({ host: hostname, port: Number(port) });
  let received = '';
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(begin);
  const drop = setInterval(() => trickle !== '' && socket.write(trickle), 2_000);
  await once(socket, 'close');
  clearInterval(drop);
  return { after: tickedTime() - start, status: received.slice(9, 12) };
}

/** The sockets are opened over two seconds. */
const many = (count: number, begin: string, trickle: string) =>
  Promise.all(
    Array.from({ length: count }, async (_, at) => {
      await setTimeout((2_000 / count) * at);
      return await hold(begin, trickle);
    }),
  );

const line = `PATCH /agents/${id} HTTP/1.1`;
const headers = [`Authorization: Bearer ${key}`, 'Content-Type: application/json', 'Content-Length: 1000'];
const held = await Promise.all([
  many(500, head(line, 'Host: api').slice(0, -2), 'x'),
  many(500, `${head(line, 'Host: api', ...headers)}{"name":"`, 'x'),
  many(200, '', ''),
]);
console.log(JSON.stringify(held.flat()));
