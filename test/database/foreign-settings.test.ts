import { expect, inject, onTestFinished, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { clientOf } from '../support/client.ts';
import { run } from '../support/connection.ts';
import { foreignSettings, setForDatabase, setForRole } from '../support/foreign-settings.ts';
import { expectCreated } from '../support/new-agent.ts';
import { expectChange, expectNoChange, expectRefusal, newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { agentAtTwo, expectReplay, newKey, retriables, sendKeyed } from '../support/retry.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld, type World } from '../support/world.ts';

const world = await openWorld();
const foreign = await openWorld();
const role = inject('serverRole');

/** A world with another server, whose connections are opened from now on. */
async function throughNewConnections(of: World): Promise<World> {
  const { origin } = await openAnotherServer(of);
  return { ...of, origin, ...callsOf(origin), client: (key: string) => clientOf(origin, key) };
}

/** Changes a default of the PostgreSQL server for sessions that begin during this test. */
async function setForServer(name: string, value: string): Promise<void> {
  await setForRole(world.ownerUrl, role, name, value);
  const { rows } = await world.sql.query('SELECT current_setting($1) AS value', [name]);
  onTestFinished(() => setForRole(world.ownerUrl, role, name, String(rows[0]?.value)));
}

test('defaults that a database sets for its sessions change no answer, row or history, because migrate sets those of the role', async () => {
  await setForDatabase(foreign.ownerUrl);
  // Other databases of the cluster have settings of their own.
  const { rows } = await foreign.sql.query(`SELECT unnest(setconfig) FROM pg_db_role_setting
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  expect(rows).toHaveLength(Object.keys(foreignSettings).length);
  const there = await throughNewConnections(foreign);

  const company = await there.company();
  const companyPhoneNumberId = await there.phoneNumber(company.id);
  const draft = { name: 'New', type: 'PHONE', focus: 'SCREENING', language: 'FI', duration: 20 } as const;
  await expectCreated(there, company, { ...draft, companyPhoneNumberId, metadata: { a: [null] } });
  const subject = await newSubject(there);
  const metadata = { back: 'a\\b', quote: "it's", number: 0.1 + 0.2, none: { list: [null, 'NULL'] } };
  await expectChange(there, subject, { instructions: null, metadata, companyPhoneNumberId: null }, { metadata });
  await expectNoChange(there, subject, { metadata });
  const path = `/agents/${subject.id}`;
  const matching = await there.patch(subject.key, subject.id, { duration: 46 }, { headers: { 'if-match': '"2"' } });
  expect([matching.status, matching.headers['changed-fields'], matching.headers.etag]).toEqual([
    200,
    'duration',
    '"3"',
  ]);
  const get = async (line: string) => (await there.call(subject.key, `GET ${line}`)).status;
  const lines = ['/agents?name=fresh', path, `${path}/versions`, `${path}/versions/1`, `${path}/versions/1/diff`];
  for (const line of [...lines, '/companies', '/phone-numbers']) expect([line, await get(line)]).toEqual([line, 200]);
  const { history } = await storedAgent(there, subject.id);
  const versions = await there.client(subject.key).versions(subject.id);
  const times = history.map(({ createdAt }) => createdAt.toISOString());
  expect(versions.data.data.map(({ createdAt }) => createdAt)).toEqual(times.toReversed());

  for (const make of Object.values(retriables)) {
    const agent = await agentAtTwo(there);
    const request = make(agent, await there.phoneNumber(agent.companyId));
    const idempotencyKey = newKey();
    const first = await sendKeyed(there, agent, request, idempotencyKey);
    expect([200, 201]).toContain(first.status);
    expectReplay(await sendKeyed(foreign, agent, request, idempotencyKey), first);
  }
  expect((await there.call(subject.key, `DELETE ${path}`)).status).toBe(204);
});

test('a change is answered correctly after the DateStyle of the database changed under the running server', async () => {
  await setForServer('DateStyle', 'German, DMY');
  const there = await throughNewConnections(world);
  const subject = await newSubject(there);
  await expectChange(there, subject, { duration: 45, metadata: { a: 1 } }, { duration: 45, metadata: { a: 1 } });
  const agent = await agentAtTwo(there);
  const request = { line: `PATCH /agents/${agent.id}`, body: { name: 'Third' }, headers: { 'if-match': '"2"' } };
  const idempotencyKey = newKey();
  const first = await sendKeyed(there, agent, request, idempotencyKey);
  expect([first.status, first.headers['changed-fields'], first.headers.etag]).toEqual([200, 'name', '"3"']);
  expectReplay(await sendKeyed(there, agent, request, idempotencyKey), first);
});

test('while the database is read-only, health/ready and changes answer 503', async () => {
  const subject = await newSubject(world);
  await setForServer('default_transaction_read_only', 'on');
  const there = await throughNewConnections(world);
  const path = '/health/ready';
  expectProblem(await there.send({ method: 'GET', path }), { code: 'DATABASE_UNAVAILABLE', instance: path });
  const patch = () => there.patch(subject.key, subject.id, { duration: 45 });
  await expectRefusal(there, subject.id, patch, { code: 'DATABASE_UNAVAILABLE' });
  expect((await there.call(subject.key, `GET /agents/${subject.id}`)).status).toBe(200);
});

test('after a column changed its type, a statement runs again once with a new plan, alone and in a transaction', async () => {
  await run(world.ownerUrl, `CREATE TABLE changing (value varchar(10)); GRANT SELECT ON changing TO ${role}`);
  const database = openLimited('patient', world.databaseUrl, 3);
  onTestFinished(async () => {
    await database.close();
    await run(world.ownerUrl, 'DROP TABLE changing');
  });
  const read = () => database.query({ text: 'SELECT value FROM changing', values: [] });
  const inTransaction = () =>
    database.transaction((query) => query({ text: 'SELECT value FROM changing', values: [] }));
  const readAll = () => Promise.all([read(), read(), inTransaction()]);
  await run(world.ownerUrl, "INSERT INTO changing VALUES ('42')");
  const texts = Array.from({ length: 3 }, () => [{ value: '42' }]);
  for (let time = 0; time < 3; time += 1) expect(await readAll()).toEqual(texts);
  await run(world.ownerUrl, 'ALTER TABLE changing ALTER value TYPE int USING value::int');
  expect(await inTransaction()).toEqual([{ value: 42 }]);
  const numbers = Array.from({ length: 3 }, () => [{ value: 42 }]);
  for (let time = 0; time < 3; time += 1) expect(await readAll()).toEqual(numbers);
  await run(world.ownerUrl, 'ALTER TABLE changing ALTER value TYPE text');
  expect(await readAll()).toEqual(texts);
});
