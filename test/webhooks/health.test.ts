import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logOptions } from '../../src/process/log-options.ts';
import { logHealth } from '../../src/webhooks/health-log.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** A logger like the server's, and its lines without their time. */
function openLog() {
  const lines: object[] = [];
  const write = (chunk: unknown, _: string, done: () => void) => {
    const { time: _time, ...line } = JSON.parse(String(chunk));
    lines.push(line);
    done();
  };
  return { lines, logger: pino(logOptions('info'), new Writable({ write })) };
}

test('the log has one line when an endpoint begins to fail, succeeds again and is disabled, without path, query and secret', async () => {
  const { id, key, companyId } = await newSubject(world);
  let status = 500;
  const receiver = await openReceiver((_, response) => response.writeHead(status).end());
  const url = `${receiver.url}/of-nobody?token=of-nobody`;
  const endpoint = await storeEndpoint(world, companyId, url, { headers: { authorization: 'of-nobody' } });
  const { lines, logger } = openLog();
  // Two processes: each change is logged by one of them.
  const senders = [
    openSender(world, { onHealth: logHealth(logger) }),
    openSender(world, { onHealth: logHealth(logger) }),
  ];

  let changes = 0;
  /** Makes another change of the agent; resolves when everything due was sent and got this answer. */
  async function attempt(answer: number, outcome: object): Promise<void> {
    status = answer;
    await world.patch(key, id, { metadata: { count: changes } });
    changes += 1;
    await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpoint.id]);
    for (const { wake } of senders) wake();
    await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject(Array(changes).fill(outcome));
  }
  await attempt(500, { lastStatus: 500 });
  await world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1`, [endpoint.id]);
  await expect.poll(() => receiver.received.length).toBeGreaterThan(1);
  await attempt(204, { status: 'DELIVERED' });
  await attempt(204, { status: 'DELIVERED' });
  status = 410;
  await world.patch(key, id, { metadata: { count: changes } });
  for (const { wake } of senders) wake();
  await expect.poll(() => lines).toHaveLength(3);
  // What the other process found out too would be logged by then.
  await Promise.all(senders.map(({ stop }) => stop(60_000)));

  const shown = { webhookId: endpoint.id, origin: `http://127.0.0.1:${receiver.port}` };
  expect(lines).toEqual([
    { level: 40, ...shown, error: 'the answer was 500', msg: 'a webhook endpoint fails' },
    { level: 30, ...shown, msg: 'a webhook endpoint succeeds again' },
    {
      ...{ level: 40, ...shown, error: 'the answer was 410', reason: 'The receiver answered 410 Gone.' },
      msg: 'a webhook endpoint was disabled',
    },
  ]);
});
