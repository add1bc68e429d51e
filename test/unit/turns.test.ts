import { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Deadline } from '../../src/http/deadline.ts';
import { turns } from '../../src/http/turns.ts';

const response = () => new ServerResponse(new IncomingMessage(new Socket()));
/** A deadline that leaves enough time for a task. */
const ample = () => new Deadline(performance.now() + 60_000);
const overloaded = { status: 503, code: 'OVERLOADED', headers: { 'retry-after': '1' } };

/** Turns whose tasks record their names when they begin. */
function openLine(running: number, waiting: number) {
  const { take } = turns({ running, waiting });
  const begun: string[] = [];
  return {
    begun,
    async take(line: string, task: string, of = response()) {
      const turn = await take(line, ample(), of);
      begun.push(task);
      return turn;
    },
  };
}

test('a limited number of tasks of one name run at once and the others in order as those end; other names do not wait', async () => {
  const { begun, take } = openLine(2, 9);
  const first = await take('a', '1');
  const second = await take('a', '2');
  const third = take('a', '3');
  const fourth = take('a', '4');
  await take('b', 'other');
  expect(begun).toEqual(['1', '2', 'other']);
  first.end();
  // Ending a task twice frees one place.
  first.end();
  await third;
  expect(begun).toEqual(['1', '2', 'other', '3']);
  second.end();
  await fourth;
  expect(begun).toEqual(['1', '2', 'other', '3', '4']);
});

test('a task beyond the waiting limit is refused at once, and accepted when there is room again', async () => {
  const { take } = openLine(1, 2);
  const running = await take('a', '1');
  const waiting = [take('a', '2'), take('a', '3')];
  await expect(take('a', '4')).rejects.toMatchObject(overloaded);
  running.end();
  (await waiting[0])?.end();
  (await waiting[1])?.end();
  (await take('a', '5')).end();
});

test('a wait that reaches the deadline of its request is refused then, and takes no place', async () => {
  const { take } = turns({ running: 1, waiting: 2 });
  const running = await take('a', ample(), response());
  const almostExpired = new Deadline(performance.now());
  almostExpired.at = performance.now() + 1;
  await expect(take('a', almostExpired, response())).rejects.toMatchObject(overloaded);
  const next = take('a', ample(), response());
  running.end();
  (await next).end();
});

test('a turn that comes too late for the statements of its task is refused, and the next task gets it', async () => {
  const { take } = turns({ running: 1, waiting: 2 });
  const running = await take('a', ample(), response());
  const late = new Deadline(performance.now());
  late.at = performance.now() + 900;
  const refused = take('a', late, response());
  const next = take('a', ample(), response());
  running.end();
  await expect(refused).rejects.toMatchObject(overloaded);
  (await next).end();
});

test('a client that disconnects while it waits takes no place', async () => {
  const { take } = openLine(1, 1);
  const running = await take('a', '1');
  const gone = response();
  const left = take('a', '2', gone);
  EventEmitter.prototype.emit.call(gone, 'close');
  await expect(left).rejects.toMatchObject(overloaded);
  const next = take('a', '3');
  running.end();
  (await next).end();
});
