import pg from 'pg';
import { onTestFinished } from 'vitest';

/** A message of PostgreSQL's protocol: its type, its length, and texts that each end with a zero byte. */
function message(type: string, ...texts: readonly string[]): Buffer {
  const content = Buffer.from(texts.map((text) => `${text}\0`).join(''));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(length.length + content.length);
  return Buffer.concat([Buffer.from(type), length, content]);
}

/** A statement whose answer is larger than the buffers of both sockets. */
export const longAnswer = (columns = '') => message('Q', `SELECT ${columns} repeat(repeat('x', 10000), 5000)`);

/** Parse with no types of parameters, whose number is two zero bytes, and a Bind of which all but the type is missing. */
export const halfBatch = Buffer.concat([message('P', '', 'SELECT 1', '', ''), Buffer.from('B')]);

/** Connects, sends bytes to PostgreSQL, and neither sends nor reads anything after them. Closed with the test. */
export async function openStuckClient(url: string, bytes: Buffer): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  onTestFinished(() => client.end());
  client.on('error', () => {});
  client.query({
    submit({ stream }) {
      stream.pause();
      stream.write(bytes);
    },
    handleError() {},
  });
}
