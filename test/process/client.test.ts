import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { agentFields } from '../../src/agents/fields.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { blocksIn, commandsIn } from '../support/docs.ts';
import { otherFields } from '../support/fields.ts';
import { type Interfere, openFront } from '../support/front.ts';
import { whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { makeProject } from '../support/typed-project.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
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
  // Its first answer is to be a 503.
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  const env = { API_URL: origin, API_KEY: ats.key, AGENT_ID: agent.id, COMPANY_ID: agent.companyId };
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

/** Runs the program behind a proxy that answers some requests itself. */
async function runBehind(answer: Interfere) {
  await writeFile(join(project, 'change.ts'), change);
  const agent = await newSubject(world);
  const env = { API_URL: await openFront(world.origin, answer), API_KEY: agent.key, AGENT_ID: agent.id };
  const program = run(makeChange, env);
  const { code } = await program.exit;
  const { row } = await storedAgent(world, agent.id);
  return { code, stdout: program.stdout, stderr: program.stderr, version: Object(row).version };
}

test('the program fails with the status where a proxy answers its change with a page of its own, or with nothing', async () => {
  for (const body of ['<html>Bad Gateway</html>', '']) {
    const proxy = { status: 502, headers: { 'content-type': 'text/html' }, body };
    const ended = await runBehind(({ method }) => (method === 'PATCH' ? proxy : undefined));
    expect(ended).toMatchObject({ code: 1, stdout: '', version: 1 });
    expect(ended.stderr).toContain(`Error: 502 ${JSON.stringify(body)}`);
  }
});

test('the program waits for a second where a proxy answers 503 without a number of seconds in Retry-After', async () => {
  const headers = [{}, { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' }];
  const times: number[] = [];
  const ended = await runBehind(() => {
    times.push(performance.now());
    const given = headers[times.length - 1];
    return given && { status: 503, headers: given, body: '' };
  });
  expect(ended).toMatchObject({ code: 0, version: 2 });
  const [first = 0, second = 0, third = 0] = times;
  expect(Math.min(second - first, third - second)).toBeGreaterThan(900);
});

test('the program changes nothing where a proxy removes the entity tag of what it read', async () => {
  const ended = await runBehind(({ method }) => (method === 'GET' ? { removed: 'etag' } : undefined));
  expect(ended).toMatchObject({ code: 1, stdout: '', version: 1 });
  expect(ended.stderr).toContain('has no ETag');
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
  onTestFinished(() => rm(join(project, 'states.ts')));
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
