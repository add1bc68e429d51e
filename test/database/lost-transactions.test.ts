import { expect, test, vi } from 'vitest';
import { shareNumbersStatement } from '../../src/companies/number-lock.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { openLink } from '../support/database-link.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ limits: 'production' });

test('an agent that a server has locked can be changed by another soon after the first has lost its network', async () => {
  const { id, companyId, key } = await newSubject(world);
  const number = await world.phoneNumber(companyId);
  const link = await openLink(world.databaseUrl);
  // Sent when the row is locked: neither the server nor PostgreSQL learns that the connection is dead.
  const { text } = shareNumbersStatement([number]);
  const onStatement = (sent: string) => {
    if (sent === text) link.forget();
  };
  const { origin } = await openAnotherServer(world, { databaseUrl: link.url, onStatement });
  const unanswered = await callsOf(origin).patch(key, id, { companyPhoneNumberId: number });
  expect(unanswered).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
  const isChanged = async () => (await world.patch(key, id, { duration: 45 })).status === 200;
  await vi.waitUntil(isChanged, { timeout: 60_000, interval: 20 });
});
