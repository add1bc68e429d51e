import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** One direction of a connection. */
interface Pipe {
  readonly from: Socket;
  readonly to: Socket;
  /** Bytes that arrived while the link let single bytes through. */
  held: Buffer[];
  /** Whether bytes are discarded for good, without an error on either side. */
  isForgotten: boolean;
}

/** Milliseconds between single bytes. */
const dripInterval = 100;

/** A TCP proxy to a database that can fail like a network. Closed with the test. */
export async function openLink(databaseUrl: string) {
  let target = new URL(databaseUrl);
  const pipes = new Set<Pipe>();
  let isFrozen = false;
  const asked: Buffer[] = [];
  let isForgetful = false;
  let last: string | undefined;
  let answered: string | undefined;
  let dripping: NodeJS.Timeout | undefined;
  const join = (from: Socket, to: Socket) => {
    const pipe: Pipe = { from, to, held: [], isForgotten: isForgetful };
    pipes.add(pipe);
    from.on('error', () => {});
    from.on('data', (bytes) => {
      if (pipe.isForgotten) return;
      if (dripping) pipe.held.push(bytes);
      else to.write(bytes);
    });
    from.once('close', () => {
      pipes.delete(pipe);
      to.destroy();
    });
    if (isFrozen) from.pause();
  };
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    near.on('data', (bytes) => {
      asked.push(bytes);
      if (last !== undefined && bytes.includes(last)) far.pause();
      if (answered !== undefined && bytes.includes(answered)) far.once('data', () => pause(near, far));
    });
    join(near, far);
    join(far, near);
  });
  const pause = (...ends: readonly Socket[]) => {
    for (const end of ends) end.pause();
  };
  const cut = () => {
    for (const { from } of pipes) from.resetAndDestroy();
  };
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const stopDripping = () => {
    clearInterval(dripping);
    dripping = undefined;
  };
  await listen(0);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  onTestFinished(() => {
    stopDripping();
    cut();
    server.close();
  });

  return {
    url: url.href,

    /** The local ports of its connections to the database. */
    ports: () => [...pipes].map(({ to }) => to.localPort),

    /** Whether all connections are closed. */
    isIdle: () => pipes.size === 0,

    /** All bytes sent to the database, as Latin-1 text. */
    asked: () => Buffer.concat(asked).toString('latin1'),

    /** Holds back all bytes without an error, like a network that drops packets or a machine that hangs. */
    freeze() {
      isFrozen = true;
      for (const { from } of pipes) from.pause();
    },

    /** Holds back the answer to the next statement that contains a text, and everything after it. */
    freezeBehind(text: string) {
      last = text;
    },

    /** Lets the answer to a statement that contains a text through, and holds back what follows it in both directions. */
    freezeAfter(text: string) {
      answered = text;
    },

    thaw() {
      isFrozen = false;
      answered = undefined;
      last = undefined;
      for (const { from } of pipes) from.resume();
    },

    /** Makes all connections dead for good without closing them, new ones too, like a firewall that lost its state. */
    forget() {
      isForgetful = true;
      for (const pipe of pipes) pipe.isForgotten = true;
    },

    /** Makes connections work that are opened from now on. */
    remember() {
      isForgetful = false;
    },

    /** Lets one byte through at a time, in each direction of each connection. */
    drip() {
      dripping = setInterval(() => {
        for (const { to, held } of pipes) {
          const [first, ...others] = [...(held.shift() ?? [])];
          if (first !== undefined) to.write(Buffer.of(first));
          if (others.length > 0) held.unshift(Buffer.from(others));
        }
      }, dripInterval);
    },

    /** Lets everything through that was held back. */
    flow() {
      stopDripping();
      for (const pipe of pipes) {
        for (const bytes of pipe.held) pipe.to.write(bytes);
        pipe.held = [];
      }
    },

    /** Resets all connections and refuses new ones, like a database that is down. */
    async cutOff() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },

    repair: () => listen(port),

    /** Closes all connections in order, like a load balancer that goes away. */
    hangUp() {
      for (const { from } of pipes) from.end();
    },

    /**
     * Connects new connections to another PostgreSQL, as a load balancer does after a failover; open ones are not
     * changed.
     */
    leadTo(other: string) {
      target = new URL(other);
    },
  };
}
