import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { webhookResealer } from '../../src/webhooks/reseal.repository.ts';
import { sealer } from '../../src/webhooks/sealer.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { openSender } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { newWebhook, webhookRow } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

/** Its server has the secret of before the change. */
const world = await openWorld();
const renewed = randomUUID().repeat(2);

test('what a server encrypts under the previous secret is encrypted anew while another one runs, and what nobody can decrypt is logged once', async () => {
  const { key } = await world.company();
  const [early, lost] = [await newWebhook(world, key), await newWebhook(world, key)];
  await world.sql.query(`UPDATE webhook_endpoint SET sealed_under = 'lost' WHERE id = $1`, [lost.id]);
  const unreadable = await webhookRow(world, lost.id);

  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const secrets = { secret: renewed, previousSecret: world.secret };
  const lines: object[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  const reseal = webhookResealer(database, sealer(secrets), log);
  openSender({ ...world, ...secrets }, { ...secrets, reseal, housekeepingInterval: 20 });

  const anew = { level: 30, endpoints: 1, msg: 'webhook endpoints were encrypted anew, under API_KEY_SECRET' };
  const cannot = {
    ...{ level: 40, endpoints: 1, webhookIds: [lost.id] },
    msg: 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged',
  };
  await expect.poll(() => lines).toEqual([anew, cannot]);

  const late = await newWebhook(world, key);
  await expect.poll(() => lines).toEqual([anew, cannot, anew]);
  // Headers are encrypted together with the secret.
  const before = await openAnotherServer(world, { secret: world.secret, previousSecret: renewed });
  const patched = await send(before.origin, {
    ...{ method: 'PATCH', path: `/webhooks/${early.id}`, body: '{"headers":{"X-A":"1"}}' },
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  });
  expect(patched).toMatchObject({ status: 200, body: { headerNames: ['x-a'] } });
  await expect.poll(() => lines).toEqual([anew, cannot, anew, anew]);

  const { fingerprint, open } = sealer({ secret: renewed });
  for (const { id, secret } of [early, late]) {
    const row = await webhookRow(world, id);
    expect(row.sealed_under).toBe(fingerprint);
    expect(open(row.sealed_secret, row.sealed_under, { endpointId: id, column: 'secret' })).toBe(secret);
  }
  expect(await webhookRow(world, lost.id)).toEqual(unreadable);
});
