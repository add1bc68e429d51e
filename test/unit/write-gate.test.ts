import { expect, onTestFinished, test, vi } from 'vitest';
import { mayWrite, writeGate } from '../../src/database/write-gate.ts';

type Answer = boolean | Error;

/** A gate before its first write, whose checks of PostgreSQL the test answers, in order. */
function newGate(most = 2, wait = 60_000) {
  const asked: ((answer: Answer) => void)[] = [];
  const onEnd = vi.fn();
  const hasOverdueStatements = () =>
    new Promise<boolean>((resolve, reject) => {
      asked.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  const gate = writeGate({ most, wait, hasOverdueStatements, onEnd });
  onTestFinished(gate.stop);
  const answer = async (given: Answer) => {
    await vi.waitUntil(() => asked.length > 0, { timeout: 60_000, interval: 1 });
    asked.shift()?.(given);
  };
  return { gate, answer, asked, onEnd };
}

/** The same after a check that has found nothing. */
async function openGate(most = 2, wait = 60_000) {
  const { onEnd, ...opened } = newGate(most, wait);
  opened.gate.suspect();
  await opened.answer(false);
  await vi.waitUntil(() => onEnd.mock.calls.length === 1, { timeout: 60_000, interval: 1 });
  onEnd.mockClear();
  return { onEnd, ...opened };
}

const write = async () => 'written';
const unavailable = { code: 'DATABASE_UNAVAILABLE' };

test('the first write waits for the first check, and the second asks nothing', async () => {
  const { gate, answer, asked } = newGate();
  const first = vi.fn(write);
  const waiting = gate.run(first);
  await vi.waitUntil(() => asked.length === 1, { timeout: 60_000, interval: 1 });
  expect(first).not.toHaveBeenCalled();
  await answer(false);
  expect(await waiting).toBe('written');
  expect([await gate.run(write), asked]).toEqual(['written', []]);
});

test('the first write is refused while a statement of an earlier process still runs, and accepted after it', async () => {
  const { gate, answer, onEnd } = newGate();
  const [first, second] = [gate.run(write), gate.run(write)];
  await answer(true);
  for (const refused of [first, second]) await expect(refused).rejects.toMatchObject(unavailable);
  await answer(false);
  await vi.waitUntil(() => onEnd.mock.calls.length === 1, { timeout: 60_000, interval: 1 });
  expect(await gate.run(write)).toBe('written');
});

test('the first write is tried if PostgreSQL does not answer whether earlier ones still run', async () => {
  const { gate, answer } = newGate();
  const waiting = gate.run(write);
  await answer(new Error('no answer'));
  expect([await waiting, await gate.run(write)]).toEqual(['written', 'written']);
});

test('a limited number of writes run at once, and the others wait for their turn', async () => {
  const { gate } = await openGate(2);
  let running = 0;
  let most = 0;
  const busy = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
  };
  await Promise.all(Array.from({ length: 9 }, () => gate.run(busy)));
  expect(most).toBe(2);
});

test('a write that has waited longer than the limit is refused', async () => {
  const { gate } = await openGate(1, 0);
  const first = gate.run(() => new Promise(setImmediate));
  const late = vi.fn(write);
  await expect(gate.run(late)).rejects.toMatchObject(unavailable);
  await first.catch(() => {});
  expect(late).not.toHaveBeenCalled();
});

test('after a statement without an answer writes wait for the first check, are refused while a statement still runs, and continue after it', async () => {
  const { gate, answer, onEnd } = await openGate();
  gate.suspect();
  gate.suspect();
  const waiting = gate.run(write);
  await answer(true);
  await expect(waiting).rejects.toMatchObject(unavailable);
  await expect(gate.run(write)).rejects.toMatchObject(unavailable);
  // A check without an answer changes nothing.
  await answer(new Error('no answer'));
  await expect(gate.run(write)).rejects.toMatchObject(unavailable);
  expect(onEnd).not.toHaveBeenCalled();
  await answer(false);
  await vi.waitUntil(() => onEnd.mock.calls.length === 1, { timeout: 60_000, interval: 1 });
  expect(await gate.run(write)).toBe('written');
});

test('writes are tried if PostgreSQL has never reported a statement that still runs', async () => {
  const { gate, answer } = await openGate();
  gate.suspect();
  const waiting = gate.run(write);
  await answer(new Error('no answer'));
  expect([await waiting, await gate.run(write)]).toEqual(['written', 'written']);
});

test.each([
  ['SELECT 1', false],
  ['SELECT updated_at, "updatedAt", deleted_at FROM agent', false],
  ['WITH one AS (INSERT INTO agent DEFAULT VALUES RETURNING id) SELECT id FROM one', true],
  ['UPDATE agent SET version = 2', true],
  ['SELECT id FROM agent FOR NO KEY UPDATE', true],
  ['DELETE FROM idempotency_key', true],
])('%s may write: %s', (sql, may) => {
  expect([mayWrite(sql), mayWrite(sql)]).toEqual([may, may]);
});
