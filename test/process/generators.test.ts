import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { expect, test } from 'vitest';
import { allBlocks, blocksIn } from '../support/docs.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { makeProject } from '../support/typed-project.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const document = join(import.meta.dirname, '..', '..', 'openapi.json');
const shown = allBlocks('docs/client.md').filter(({ section }) => section === 'Other generators');
const programs = shown.filter(({ text }) => !text.startsWith('npm install'));
const [makeHeyApi = '', heyApi = '', orvalConfig = '', makeOrval = '', orval = ''] = programs.map(({ text }) => text);
const [tsconfig = '{}'] = blocksIn('docs/client.md', 'json');
const { exactOptionalPropertyTypes, ...options } = JSON.parse(tsconfig).compilerOptions;

test.each([
  ['@hey-api/openapi-ts', makeHeyApi, heyApi, { ...options, skipLibCheck: false }],
  ['orval', makeOrval, orval, { ...options, skipLibCheck: false, exactOptionalPropertyTypes }],
])(
  '%s generates a client from openapi.json that compiles under strict rules and changes an agent, as docs/client.md shows',
  async (_, generate, program, compilerOptions) => {
    const { folder, run } = await makeProject(world.origin, JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await copyFile(document, join(folder, 'openapi.json'));
    await writeFile(join(folder, 'orval.config.ts'), orvalConfig);
    await writeFile(join(folder, 'program.ts'), program);
    const agent = await newSubject(world, { instructions: 'Be kind', metadata: { team: 'A', tags: ['x'] } });
    const ats = await world.ats(agent.companyId);
    const env = { API_KEY: ats.key, AGENT_ID: agent.id, COMPANY_ID: agent.companyId };

    const made = run(`${generate}\nnpx tsc --pretty false 1>&2`);
    expect({ ...(await made.exit), stderr: made.stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const changed = run('node program.js', env);
    expect(await changed.exit).toEqual({ code: 0, signal: null });
    expect(changed.stdout).toBe('Fresh agent: 45 minutes\n');
    const { row } = await storedAgent(world, agent.id);
    const metadata = { tags: ['x'], department: 'Product' };
    expect(row).toMatchObject({ version: 2, duration: 45, instructions: null, metadata });

    const unread = run('node program.js', { ...env, AGENT_ID: 'unknown' });
    expect(await unread.exit).toEqual({ code: 1, signal: null });
    expect(unread.stderr).toMatch(/^Error: no ETag: \{.*"code":"VALIDATION_FAILED"/m);
    const refused = run('node program.js', { ...env, API_KEY: await world.keyWith(agent.companyId, 'read:agents') });
    expect(await refused.exit).toEqual({ code: 1, signal: null });
    expect(refused.stderr).toMatch(/^Error: \{.*"code":"INSUFFICIENT_PERMISSIONS"/m);
  },
);

test("openapi.json passes Spectral's recommended rules", async () => {
  const linter = new spectral.Spectral();
  linter.setRuleset(new spectral.Ruleset({ extends: [[rulesets.oas, 'recommended']] }));
  expect(await linter.run(await readFile(document, 'utf8'))).toEqual([]);
});
