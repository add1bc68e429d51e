import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { draft } from '../../support/endpoints.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { insertKeptAnswer, newKey } from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a creation waits for its twin as long as a request may, and not for one lock timeout', async () => {
  const { key, keyId, id, companyId } = await newSubject(world);
  const url = new URL(world.databaseUrl);
  url.searchParams.set('options', '-c lock_timeout=20ms');
  const { origin } = await openAnotherServer(world, { databaseUrl: url.href });
  const request = { body: draft, headers: { 'idempotency-key': newKey() } };
  const holder = await world.sql.connect();
  await holder.query('BEGIN');
  await holder.query(insertKeptAnswer, [keyId, request.headers['idempotency-key'], id]);
  const waiting = callsOf(origin).call(key, 'POST /agents', request);
  let isAnswered = false;
  void waiting.then(() => {
    isAnswered = true;
  });
  const waits = new Set<string>();
  const sql = `SELECT query_start::text AS since FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const hasWaitedAgain = async () => {
    for (const { since } of (await world.sql.query(sql)).rows) waits.add(since);
    // One attempt waits twice.
    return isAnswered || waits.size > 2;
  };
  await vi.waitUntil(hasWaitedAgain, { timeout: 60_000, interval: 5 });
  await holder.query('COMMIT');
  holder.release();
  expectProblem(await waiting, { code: 'IDEMPOTENCY_KEY_REUSED', instance: '/agents' });
  expect(await world.agents.list(companyId)).toHaveLength(1);
});
