import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadline } from '../../src/http/deadline.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** The time limit of a request in milliseconds. */
const whole = 4_800;

const unavailable = { status: 503, code: 'DATABASE_UNAVAILABLE', headers: { 'retry-after': '1' } };
const never = () => new Promise<never>(() => {});

test('the successive waits of a request share one deadline and one timer', async () => {
  const deadline = new Deadline(performance.now());
  let answer = (_: string) => {};
  const first = deadline.race(
    new Promise<string>((resolve) => {
      answer = resolve;
    }),
  );
  await vi.advanceTimersByTimeAsync(whole - 1_000);
  answer('found');
  expect(await first).toBe('found');
  const second = expect(deadline.race(never())).rejects.toMatchObject(unavailable);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  await second;
  expect(vi.getTimerCount()).toBe(0);
});

test('the time in which the body arrives does not count', async () => {
  const deadline = new Deadline(performance.now());
  await deadline.race(Promise.resolve());
  await vi.advanceTimersByTimeAsync(1_000);
  deadline.pause();
  await vi.advanceTimersByTimeAsync(9_000);
  deadline.resume();
  expect(deadline.left()).toBe(whole - 1_000);
  let isOver = false;
  const ended = deadline.race(never()).catch(() => {
    isOver = true;
  });
  await vi.advanceTimersByTimeAsync(whole - 1_001);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await ended;
});

test('an error reaches the caller unchanged, and a call that fails after the deadline causes no unhandled rejection', async () => {
  const deadline = new Deadline(performance.now());
  await expect(deadline.race(Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  let fail = (_: Error) => {};
  const late = deadline.race(
    new Promise<never>((_, reject) => {
      fail = reject;
    }),
  );
  const refused = expect(late).rejects.toMatchObject(unavailable);
  await vi.advanceTimersByTimeAsync(whole);
  await refused;
  fail(new Error('too late'));
});

test('a wait that begins after the client has disconnected ends at the deadline too, and leaves no timer', async () => {
  const deadline = new Deadline(performance.now());
  let answer = () => {};
  const lookup = deadline.race(new Promise<void>((resolve) => (answer = resolve)));
  deadline.end();
  answer();
  await lookup;
  const waiting = expect(deadline.race(never())).rejects.toMatchObject(unavailable);
  await vi.advanceTimersByTimeAsync(whole);
  await waiting;
  expect(vi.getTimerCount()).toBe(0);
});

test('a request that has ended leaves no timer, and its remaining waits end at its deadline', async () => {
  const done = new Deadline(performance.now());
  await done.race(Promise.resolve());
  done.end();
  expect(vi.getTimerCount()).toBe(0);
  const left = new Deadline(performance.now());
  const waiting = expect(left.race(never())).rejects.toMatchObject(unavailable);
  left.end();
  await vi.advanceTimersByTimeAsync(whole);
  await waiting;
  expect(vi.getTimerCount()).toBe(0);
});
