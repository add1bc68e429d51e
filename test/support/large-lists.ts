import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { onTestFinished } from 'vitest';
import type { World } from './world.ts';

/** Agents on a large page: 12 MB together, more than socket buffers hold. */
export const largePage = 50;

/** Creates agents of about 250 KB, as large as bodies of 256 KiB allow; returns their ids in the order of a list. */
export async function largeAgents(world: World, companyId: string, count = largePage): Promise<string[]> {
  const { rows } = await world.sql.query<{ id: string }>(
    `INSERT INTO agent (company_id, name, type, focus, language, duration, questions, created_at)
     SELECT $1, 'Large ' || n, 'ONLINE', 'GENERIC', 'EN', 30,
            (SELECT jsonb_agg(q || repeat('Größe "1" ', 190) || repeat('質', 950)) FROM generate_series(1, 50) q),
            now() - n * interval '1 second'
       FROM generate_series(1, $2::int) n
     RETURNING id`,
    [companyId, count],
  );
  return rows.map(({ id }) => id);
}

/** A request for a list of at most 100 agents whose answer is not read until the test reads it. */
export async function openUnreadList(
  origin: string,
  key: string,
  headers: Readonly<Record<string, string>> = {},
  query = '',
) {
  const outgoing = request(`${origin}/agents?limit=100${query}`, {
    agent: new Agent(),
    headers: { authorization: `Bearer ${key}`, ...headers },
  });
  outgoing.on('error', () => {});
  onTestFinished(() => {
    outgoing.destroy();
  });
  outgoing.end();
  const [answer]: IncomingMessage[] = await once(outgoing, 'response');
  if (!answer) throw new Error('no response');
  answer.on('error', () => {});
  return {
    status: answer.statusCode,
    /** Reads what has arrived, at most about 64 KB. */
    readPart: () => void answer.read(),
    /** Closes the connection. */
    leave: () => outgoing.destroy(),
    /** Reads to the end. Returns the bytes, and whether the answer was complete. */
    async readAll(): Promise<{ readonly text: string; readonly isWhole: boolean }> {
      const chunks: Buffer[] = [];
      answer.on('data', (bytes: Buffer) => chunks.push(bytes));
      await new Promise((resolve) => answer.once('close', resolve));
      return { text: Buffer.concat(chunks).toString(), isWhole: answer.complete };
    },
  };
}
