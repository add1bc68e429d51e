import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { sealer } from '../../src/webhooks/sealer.ts';
import { build, startServer } from '../support/process.ts';
import { storeEndpoint } from '../support/sending.ts';
import { webhookRow } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

test('a server that starts with a new secret seals webhook endpoints of the previous one under it before it answers, and logs how many', async () => {
  const renewed = randomUUID().repeat(2);
  const { id: companyId } = await world.company();
  const headers = { authorization: 'Basic YTpi' };
  const { id, secret } = await storeEndpoint(world, companyId, 'https://hooks.example.com/', { headers });
  const before = await webhookRow(world, id);
  const secrets = { API_KEY_SECRET: renewed, API_KEY_SECRET_PREVIOUS: world.secret };
  const { server } = await startServer({ DATABASE_URL: world.databaseUrl, ...secrets });

  const { sealed_secret, sealed_headers, sealed_under, ...others } = await webhookRow(world, id);
  // Without the previous secret.
  const { open, fingerprint } = sealer({ secret: renewed });
  expect({ ...before, ...others }).toEqual(before);
  expect(sealed_under).toBe(fingerprint);
  expect(open(sealed_secret, sealed_under, { endpointId: id, column: 'secret' })).toBe(secret);
  expect(JSON.parse(open(sealed_headers, sealed_under, { endpointId: id, column: 'headers' }))).toEqual(headers);
  await server.until(/("endpoints":1,"msg":"webhook endpoints were encrypted anew, under API_KEY_SECRET")/);
});
