import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { resealWebhooks } from '../../../src/webhooks/reseal.repository.ts';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { openLimited } from '../../support/time-limits.ts';
import { newWebhook, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a stored secret that was damaged stops no start, and its endpoint can be changed and given a new secret', async () => {
  const { key } = await world.company();
  const damaged = await newWebhook(world, key);
  const whole = await newWebhook(world, key);
  await world.sql.query(
    `UPDATE webhook_endpoint SET sealed_secret = translate(left(sealed_secret, 1), 'A' || left(sealed_secret, 1), 'BA')
            || substr(sealed_secret, 2) WHERE id = $1`,
    [damaged.id],
  );
  const before = await webhookRow(world, damaged.id);
  // As after a change of API_KEY_SECRET.
  const secrets = { secret: randomUUID().repeat(2), previousSecret: world.secret };
  const sealed = sealer(secrets);
  const secretOf = async (id: string) => {
    const { sealed_secret, sealed_under } = await webhookRow(world, id);
    return sealed.open(sealed_secret, sealed_under, { endpointId: id, column: 'secret' });
  };
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const lines: object[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  await resealWebhooks(database, sealed, log);
  expect(lines).toEqual([
    { level: 30, endpoints: 1, msg: 'webhook endpoints were encrypted anew, under API_KEY_SECRET' },
    {
      ...{ level: 40, endpoints: 1, webhookIds: [damaged.id] },
      msg: 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged',
    },
  ]);
  expect(await webhookRow(world, damaged.id)).toEqual(before);
  expect(await secretOf(whole.id)).toBe(whole.secret);

  const { origin } = await openAnotherServer(world, secrets);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const path = `/webhooks/${damaged.id}`;
  expect((await send(origin, { path, headers, body: '{"description":"changed"}' })).status).toBe(200);
  const rotated = await send(origin, { method: 'POST', path: `${path}/rotate-secret`, headers });
  expect(rotated).toMatchObject({ status: 200, body: { description: 'changed' } });
  expect(await secretOf(damaged.id)).toBe(Object(rotated.body).secret);
  expect(await webhookRow(world, damaged.id)).toMatchObject({ sealed_previous_secret: null });
});
