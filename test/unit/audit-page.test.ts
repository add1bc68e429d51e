import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const actions = /['`]((?:company|integration|key|phone-number|agent|history|webhook)\.[a-z-]+)['`]/g;

test('docs/operate.md lists exactly the actions of the audit trail and of the history', () => {
  const files = ['src', 'prisma'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter((file) => file.isFile()),
  );
  const texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'));
  const named = new Set(texts.flatMap((text) => [...text.matchAll(actions)].map(([, action]) => action)));
  // Types of events, which no entry has.
  for (const event of ['agent.updated', 'webhook.ping']) expect(named.delete(event)).toBe(true);

  const page = readFileSync(join(root, 'docs', 'operate.md'), 'utf8');
  const [, section = ''] = /^### The audit trail\n([\s\S]*?)^### /m.exec(page) ?? [];
  const listed = [...section.matchAll(actions)].map(([, action]) => action);
  expect(listed.toSorted()).toEqual([...named].toSorted());
});
