import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const bounded = 'node --max-old-space-size=512 dist/server.js';

test('npm start, the image and the unit of systemd bound the heap alike, as the page for operators says', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(scripts.start.endsWith(`exec ${bounded}`)).toBe(true);
  const command = /^CMD (\[.*\])$/m.exec(readFileSync('Dockerfile', 'utf8'))?.[1] ?? '[]';
  expect(JSON.parse(command)).toEqual(bounded.split(' '));
  const unit = readFileSync('deploy/systemd/interview-agents.service', 'utf8');
  expect(/^ExecStart=\/usr\/bin\/(.*)$/m.exec(unit)?.[1]).toBe(bounded);
  expect(readFileSync('docs/operate.md', 'utf8')).toContain(`\`${bounded}\``);
});
