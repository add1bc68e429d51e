import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { signedHeaders } from '../../src/webhooks/signature.ts';
import { blocksIn, filled } from '../support/docs.ts';
import { newSubject } from '../support/patch-agent.ts';
import { newSecret, openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { makeProject } from '../support/typed-project.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const [tsconfig = ''] = blocksIn('docs/client.md', 'json');
const [example = ''] = blocksIn('docs/webhooks.md', 'ts');
const { folder: project, run } = await makeProject(world.origin, tsconfig);
const port = await freePort();
const url = `http://127.0.0.1:${port}/hooks`;
await writeFile(join(project, 'receiver.ts'), filled(example, { 8080: String(port) }));

/** Runs the TypeScript example of docs/webhooks.md with a secret. */
async function startReceiver(secret: string) {
  const receiver = run('exec npx tsx receiver.ts', { WEBHOOK_SECRET: secret });
  const status = () => fetch(url, { method: 'POST' }).then((answer) => answer.status);
  await expect.poll(() => status().catch(() => receiver.stderr)).toBe(401);
  return receiver;
}

test('the example of docs/webhooks.md accepts what the server sends, with either secret during a rotation', async () => {
  const { id, key, companyId } = await newSubject(world);
  const { id: endpointId, secret: first } = await storeEndpoint(world, companyId, url);
  openSender(world);
  const arrived = async () => {
    const deliveries = await storedDeliveries(world, endpointId);
    return deliveries.map(({ version, status, lastStatus }) => `${version} ${status} ${lastStatus}`);
  };

  const before = await startReceiver(first);
  await world.patch(key, id, { duration: 41 });
  await expect.poll(arrived).toEqual(['2 DELIVERED 204']);
  const rotation = await world.call(key, `POST /webhooks/${endpointId}/rotate-secret`);
  await world.patch(key, id, { duration: 42 });
  await expect.poll(arrived).toEqual(['2 DELIVERED 204', '3 DELIVERED 204']);
  expect(before.stdout.match(/version: \d+/g)).toEqual(['version: 2', 'version: 3']);
  before.signalGroup('SIGKILL');
  await before.exit;

  const afterwards = await startReceiver(Object(rotation.body).secret);
  await world.patch(key, id, { duration: 43 });
  await expect.poll(arrived).toEqual(['2 DELIVERED 204', '3 DELIVERED 204', '4 DELIVERED 204']);
  expect(afterwards.stdout).toContain('version: 4');
});

test('the example of docs/webhooks.md refuses a request that is not signed with its secret, was changed, or is old', async () => {
  const secret = newSecret();
  const receiver = await startReceiver(secret);
  const timestamp = Math.floor(Date.now() / 1_000);
  const message = { id: 'msg_1', timestamp, body: '{"name":"Jörg 面接 🎤"}' };
  const signed = signedHeaders(message, [secret]);
  const hourAgo = signedHeaders({ ...message, timestamp: timestamp - 3_600 }, [secret]);

  async function statusOf(headers: Record<string, string>, body: string | Buffer<ArrayBuffer> = message.body) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return answer.status;
  }

  expect(await statusOf(signed)).toBe(204);
  expect({
    'another secret': await statusOf(signedHeaders(message, [newSecret()])),
    'an empty secret': await statusOf(signedHeaders(message, ['whsec_'])),
    'another body': await statusOf(signed, `${message.body} `),
    'a body that is not UTF-8': await statusOf(signed, Buffer.from([0xff])),
    'another id': await statusOf({ ...signed, 'webhook-id': 'msg_2' }),
    'another timestamp': await statusOf({ ...signed, 'webhook-timestamp': `${timestamp + 1}` }),
    'a timestamp an hour old': await statusOf(hourAgo),
    'no signature': await statusOf({ ...signed, 'webhook-signature': '' }),
    'an incomplete signature': await statusOf({ ...signed, 'webhook-signature': 'v1' }),
  }).toEqual({
    ...{ 'another secret': 401, 'an empty secret': 401, 'another body': 401, 'a body that is not UTF-8': 401 },
    ...{ 'another id': 401, 'another timestamp': 401, 'a timestamp an hour old': 401 },
    ...{ 'no signature': 401, 'an incomplete signature': 401 },
  });
  expect(receiver.stdout).toBe("{ name: 'Jörg 面接 🎤' }\n");
});

test('the example of docs/webhooks.md compiles under strict rules and does not start without a secret', async () => {
  const check = run('npx tsc --noEmit --pretty false');
  expect(await check.exit, check.stdout).toEqual({ code: 0, signal: null });
  const receiver = run('npx tsx receiver.ts');
  expect((await receiver.exit).code).toBe(1);
  expect(receiver.stderr).toContain("Secret can't be empty");
});
