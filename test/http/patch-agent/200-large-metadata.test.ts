import { expect, onTestFinished, test, vi } from 'vitest';
import { newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const notes = { text: `"${'ä'.repeat(4_800)}"` };
const { length: size } = JSON.stringify(notes.text);

/** How often JSON as long as the text in the metadata was written during a task. */
async function writesDuring(task: () => Promise<unknown>): Promise<number> {
  const written = vi.spyOn(JSON, 'stringify');
  onTestFinished(() => written.mockRestore());
  await task();
  const results = written.mock.results.map(({ value }) => String(value));
  written.mockRestore();
  return results.filter(({ length }) => length >= size).length;
}

test('metadata is written as JSON once for the check of its size, its row, its history, the kept answer and the answer', async () => {
  const subject = await newSubject(world, { metadata: notes });
  const bodies = Array.from({ length: 5 }, (_, n) => JSON.stringify({ metadata: { ...notes, n } }));
  const [alone = '', kept = '', ...together] = bodies;
  expect(await writesDuring(() => sendText(world, subject, alone))).toBe(1);
  expect(await writesDuring(() => sendText(world, subject, kept, { 'idempotency-key': 'large' }))).toBe(1);
  expect(await writesDuring(() => Promise.all(together.map((body) => sendText(world, subject, body))))).toBe(3);
  expect(await writesDuring(() => sendText(world, subject, '{"duration":17}'))).toBe(1);
});
