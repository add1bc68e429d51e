import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startProcess } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const page = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
const [, section = ''] = /^## Five requests\n([\s\S]*?)^## /m.exec(page) ?? [];

/** The commands of the page, and the answers shown below them. */
const steps = [
  ...section.matchAll(/^```sh\n([\s\S]*?)^```$(?:\s*^```json\n([\s\S]*?)^```$|(?![\s\S]*^```json))?/gm),
].map(([, commands = '', shown = '']) => ({ commands, shown }));

/** Ids and times differ in each run: each is replaced by its position among the distinct ones. */
function normalised(texts: readonly string[]): string[] {
  const seen: string[] = [];
  const place = (value: string) => {
    if (!seen.includes(value)) seen.push(value);
    return `<${seen.indexOf(value)}>`;
  };
  return texts.map((text) =>
    text.replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z/g, place),
  );
}

/** JSON on one line, without the page's line breaks. */
const flat = (text: string) => (text.startsWith('{') ? JSON.stringify(JSON.parse(text)) : text.trim());

test('the five requests of the README, pasted in order, are answered as it shows', async () => {
  expect(steps).toHaveLength(6);
  const { key } = await world.company();
  const answers: string[] = [];
  let pasted = '';
  for (const { commands, shown } of steps) {
    const agent = answers[0] && Object(JSON.parse(answers[0])).id;
    const filled = commands
      .replace(/^API=.*$/m, `API=${world.origin}`)
      .replace(/^KEY=.*$/m, `KEY=${key}`)
      .replace(/^AGENT=.*$/m, `AGENT=${agent}`);
    if (shown === '') {
      pasted += filled;
      continue;
    }
    const shell = startProcess(['bash', '-c', pasted + filled], { atEnd: onTestFinished });
    expect(await shell.exit, shell.stderr).toEqual({ code: 0, signal: null });
    answers.push(flat(shell.stdout));
    pasted += /^AGENT=.*$/m.exec(filled)?.[0] ?? '';
    pasted += '\n';
  }
  const expected = steps.flatMap(({ shown }) => (shown ? [flat(shown)] : []));
  expect(normalised(answers)).toEqual(normalised(expected));
});
