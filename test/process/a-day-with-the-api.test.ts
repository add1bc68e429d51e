import { beforeAll, expect, test } from 'vitest';
import { build, runProgram, startServer } from '../support/process.ts';
import { answerOf, storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

const said = `
acting for Test company, calling from +12025550123
created at version "1"
created again: the same agent
read, then asked again: 304
listed: 1
an endpoint for agent.updated
would change duration, metadata, still version "1"
changed duration, metadata, now version "2"
changed again: still version "2"
received agent.updated of version 2, and received it again
endpoint deleted: 204
a change of the old version: 412
version 2 changed duration, metadata; the key and request are known
the event says the same
  duration: 30 → 45
  metadata/department: Care → Surgery
taken back, now version "3"
deleted: 204, and then 404
`;

test('the example program of a day with the API gets the answers that its text describes from the production build', async () => {
  const company = await world.company();
  const companyPhoneNumberId = await world.phoneNumber(company.id);
  const ats = await world.ats(company.id);
  const env = { NODE_ENV: 'production', DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret };
  const hooks = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOW_NETWORKS: '127.0.0.1' };
  const { origin } = await startServer({ ...env, ...hooks });
  const program = ['--import', 'tsx', 'examples/a-day-with-the-api.ts'];
  const day = await runProgram(program, { env: { API_URL: origin, API_KEY: ats.key } });
  expect(day).toEqual({ code: 0, stdout: said.trimStart(), stderr: '' });

  const { rows } = await world.sql.query('SELECT id FROM agent WHERE company_id = $1', [company.id]);
  expect(rows).toHaveLength(1);
  const { row, history } = await storedAgent(world, rows[0].id);
  expect(answerOf(row)).toMatchObject({ duration: 30, metadata: { department: 'Care', tags: ['night'] } });
  expect(row).toMatchObject({ version: 3, company_phone_number_id: companyPhoneNumberId });
  expect(row.deleted_at).not.toBeNull();
  const byUs = { keyId: ats.keyId, snapshot: { duration: 30 }, restoredFrom: null };
  const changedFields = ['duration', 'metadata'];
  expect(history).toMatchObject([
    { ...byUs, version: 1 },
    { ...byUs, version: 2, snapshot: { duration: 45 }, changedFields, requestId: expect.stringMatching(/^day-/) },
    { ...byUs, version: 3, changedFields, restoredFrom: 1 },
  ]);
});
