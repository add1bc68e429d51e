import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { agentFields } from '../../src/agents/fields.ts';
import { blocksIn, commandsIn } from '../support/docs.ts';
import { otherFields } from '../support/fields.ts';
import { whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { makeProject } from '../support/typed-project.ts';
import { openWorld } from '../support/world.ts';

// Its first answer is to be a 503.
const world = await openWorld({ limits: 'production' });
const [, makeTypes = '', makeChange = ''] = commandsIn('docs/client.md');
const [tsconfig = ''] = blocksIn('docs/client.md', 'json');
const [change = ''] = blocksIn('docs/client.md', 'ts');

const { folder: project, run } = await makeProject(world.origin, tsconfig);
const types = run(makeTypes, {}, afterAll);
expect(await types.exit, types.stderr).toEqual({ code: 0, signal: null });

test('the commands and the program of docs/client.md make a typed client, which changes an agent after a first answer of 503', async () => {
  await writeFile(join(project, 'change.ts'), change);
  const agent = await newSubject(world, { instructions: 'Be kind', metadata: { team: 'A', tags: ['x'] } });
  const ats = await world.ats(agent.companyId);
  const env = { API_KEY: ats.key, AGENT_ID: agent.id, COMPANY_ID: agent.companyId };
  const program = await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], async () => {
    const started = run(makeChange, env);
    const isRefused = () => world.logLines.some((line) => JSON.parse(line).status === 503);
    await vi.waitUntil(isRefused, { timeout: 60_000, interval: 50 });
    return started;
  });
  expect(await program.exit).toEqual({ code: 0, signal: null });
  expect(program.stdout).toBe('Fresh agent: changed instructions, duration, metadata\n');
  const { row } = await storedAgent(world, agent.id);
  const metadata = { tags: ['x'], department: 'Product' };
  expect(row).toMatchObject({ version: 2, duration: 45, instructions: null, metadata });
});

test('the types accept each field state that the server accepts, and reject null, unknown fields and types that it refuses', async () => {
  const agent = await newSubject(world);
  const values = otherFields(await world.phoneNumber(agent.companyId));
  const bodies = [
    ...[{}, { nmae: 'x' }, { name: 'After', nmae: 'x' }, { id: agent.id }, { type: 'VIDEO' }, { metadata: [] }],
    ...agentFields.flatMap((field) => [...[{ [field]: null }, { [field]: values[field] }, { [field]: true }]]),
  ];
  const statuses: number[] = [];
  for (const body of bodies) statuses.push((await world.patch(agent.key, agent.id, body)).status);
  const notSent = agentFields.map((field) => `{ ${field}: undefined }`);
  const lines = [
    "import type { components } from './api.d.ts';",
    "export const patches: components['schemas']['AgentPatch'][] = [",
    ...[...bodies.map((body) => JSON.stringify(body)), ...notSent].map((body) => `  ${body},`),
    '];',
  ];
  await writeFile(join(project, 'states.ts'), lines.join('\n'));
  const check = run('npx tsc --noEmit --pretty false');
  await check.exit;
  const faulty = new Set(
    [...check.stdout.matchAll(/^states\.ts\((\d+),/gm)].map(([, line]) => lines[Number(line) - 1]),
  );
  const refused = bodies.filter((_, at) => statuses[at] === 400).map((body) => `  ${JSON.stringify(body)},`);
  expect([...faulty].toSorted()).toEqual([...refused, ...notSent.map((body) => `  ${body},`)].toSorted());
  expect(refused.length).toBeGreaterThan(agentFields.length);
});
