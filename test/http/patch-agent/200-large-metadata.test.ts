import { expect, onTestFinished, test, vi } from 'vitest';
import { newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const notes = { text: `"${'ä'.repeat(4_800)}"` };
const { length: size } = JSON.stringify(notes.text);

/** Counts calls of JSON.stringify during a task whose result is at least as long as the metadata. */
async function writesDuring(task: () => Promise<unknown>): Promise<number> {
  const written = vi.spyOn(JSON, 'stringify');
  onTestFinished(() => written.mockRestore());
  await task();
  const results = written.mock.results.map(({ value }) => String(value));
  written.mockRestore();
  return results.filter(({ length }) => length >= size).length;
}

test('one patch of metadata serializes it once, for the size check, row, history, kept answer and answer together', async () => {
  const subject = await newSubject(world, { metadata: notes });
  const bodies = Array.from({ length: 5 }, (_, n) => JSON.stringify({ metadata: { ...notes, n } }));
  const [alone = '', kept = '', ...together] = bodies;
  expect(await writesDuring(() => sendText(world, subject, alone))).toBe(1);
  expect(await writesDuring(() => sendText(world, subject, kept, { 'idempotency-key': 'large' }))).toBe(1);
  expect(await writesDuring(() => Promise.all(together.map((body) => sendText(world, subject, body))))).toBe(3);
  expect(await writesDuring(() => sendText(world, subject, '{"duration":17}'))).toBe(1);
});
