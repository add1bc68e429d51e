import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A way to a database that can fail as networks do. It ends with the test. */
export async function openLink(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const asked: Buffer[] = [];
  const join = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on('error', () => {});
    from.on('data', (bytes) => to.write(bytes));
    from.once('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    if (isFrozen) from.pause();
  };
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    near.on('data', (bytes) => asked.push(bytes));
    join(near, far);
    join(far, near);
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  onTestFinished(() => {
    cut();
    server.close();
  });

  return {
    url: url.href,

    /** All bytes that the database was sent, one character each. */
    asked: () => Buffer.concat(asked).toString('latin1'),

    /** Nothing gets through any more, and nobody is told: a network that drops packets, a machine that hangs. */
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },

    thaw() {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },

    /** Connections break, and new ones are refused: a database that is down. */
    async cutOff() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },

    repair: () => listen(port),
  };
}
