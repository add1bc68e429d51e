import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });

test('merged metadata is written as JSON once: for its size, the row, the history, the kept answer and the answer', async () => {
  const stored = randomUUID();
  const { id, key } = await newSubject(world, { metadata: { stored } });
  const write = vi.spyOn(JSON, 'stringify');
  onTestFinished(() => write.mockRestore());
  // The text of the request has no stored member, so that what has one was written by the server.
  const headers = { 'idempotency-key': randomUUID() };
  const answer = await world.patch(key, id, { metadata: { sent: 1 } }, { headers });
  const written = write.mock.results.filter(({ value }) => typeof value === 'string' && value.includes(stored));
  expect(answer).toMatchObject({ status: 200, body: { metadata: { sent: 1, stored } } });
  expect(written.map(({ value }) => value)).toEqual([`{"sent":1,"stored":"${stored}"}`]);
});
