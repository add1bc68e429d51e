import { expect, onTestFinished, test, vi } from 'vitest';
import { type Attempt, repeatedIfLate, unlessTooSlow } from '../support/too-slow.ts';

/** Runs a scene that fails. @returns how often it was run, and how often its task at the end was before the next run */
async function runFailing(prepare: (attempt: Attempt) => unknown, limit?: number) {
  const counts = { runs: 0, ended: 0 };
  const scene = async (attempt: Attempt) => {
    expect(counts.ended).toBe(counts.runs);
    counts.runs += 1;
    attempt.atEnd(async () => {
      counts.ended += 1;
    });
    await prepare(attempt);
    throw new Error('as it has to be');
  };
  await expect(unlessTooSlow(scene, limit)).rejects.toThrow('as it has to be');
  return counts;
}

test('a scene that fails is run again, five times at most, only if an answer was late or another proof is true', async () => {
  // `.ci/run` would list these scenes.
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
  onTestFinished(() => warned.mockRestore());
  const [once, again] = [
    { runs: 1, ended: 0 },
    { runs: 5, ended: 4 },
  ];
  const answered = ({ timed }: Attempt) => timed(Promise.resolve());
  const waiting = ({ timed }: Attempt) => void timed(new Promise(() => {}));
  expect(await runFailing(() => {})).toEqual(once);
  expect(await runFailing(answered)).toEqual(once);
  expect(await runFailing(({ provedBy }) => provedBy(() => false))).toEqual(once);
  expect(await runFailing(({ provedBy }) => provedBy(() => true))).toEqual(again);
  expect(await runFailing(answered, 0)).toEqual(again);
  expect(await runFailing(waiting, 0)).toEqual(again);
  expect(await runFailing(({ timed }) => timed(Promise.resolve(), 60_000), 0)).toEqual(once);
  expect(await runFailing(({ timed }) => timed(Promise.resolve(), 0))).toEqual(again);
});

test('a scene that succeeds is run once, however late its answers were', async () => {
  let runs = 0;
  const scene = async ({ timed }: Attempt) => {
    runs += 1;
    return await timed(Promise.resolve('seen'));
  };
  expect([await unlessTooSlow(scene, 0), runs]).toEqual(['seen', 1]);
});

test('a request that is answered 503 is made again only if that answer was late', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
  onTestFinished(() => warned.mockRestore());
  const answers = [503, 503, 200, 503];
  const request = async () => ({ status: answers.shift() ?? 0 });
  expect(await repeatedIfLate(request, 0)).toEqual({ status: 200 });
  await expect(repeatedIfLate(request)).rejects.toThrow('answered 503: {"status":503}');
  expect(answers).toEqual([]);
});
