import { beforeAll, expect, test } from 'vitest';
import { agentFields } from '../../src/agents/fields.ts';
import type { AuditEntry } from '../../src/audit/row.schema.ts';
import { restoreCheck } from '../support/docs.ts';
import {
  completed,
  fieldsOf,
  recorded,
  restoreLastRelease,
  rowsInDump,
  withAddedFields,
} from '../support/last-release.ts';
import { build } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';

beforeAll(build);

const ofOneAgent = /^GET \/agents\/[^/?]+$/;
const ofVersion = /^GET (\/agents\/[^/?]+\/versions\/\d+)$/;

test('what the last release wrote is read byte for byte, and its kept answers are replayed byte for byte', () =>
  unlessTooSlow(async (attempt) => {
    const { send, query } = await restoreLastRelease(attempt);
    expect(await query(restoreCheck())).toEqual([]);
    const keys = await Promise.all(['revoked', 'suspended'].map((key) => send({ key, line: 'GET /agents' })));
    expect(keys.map(({ body }) => Object(body).code)).toEqual(['INVALID_API_KEY', 'API_KEY_SUSPENDED']);
    for (const call of recorded.reads) {
      const answer = await send(call);
      expect(answer, call.line).toMatchObject({ status: call.status, headers: call.answer });
      if (ofOneAgent.test(call.line)) expect(answer.text, call.line).toBe(withAddedFields(call.text));
      else expect(answer.body, call.line).toEqual(completed(JSON.parse(call.text)));
    }
    for (const call of recorded.kept) {
      const answer = await send(call);
      const headers = { ...call.answer, 'idempotent-replayed': 'true' };
      expect(answer, call.line).toMatchObject({ status: call.status, headers });
      expect(answer.text, call.line).toBe(withAddedFields(call.text));
      if (!call.line.startsWith('PATCH')) continue;
      const other = await send({ ...call, body: '{"name":"Another body"}' });
      expect([other.status, Object(other.body).code], call.line).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    }
    const [gone] = await query('SELECT id FROM agent WHERE deleted_at IS NOT NULL');
    expect(await send({ key: 'company', line: `GET /agents/${gone?.['id']}` })).toMatchObject({ status: 404 });
  }));

test('the audit trail of the last release is listed whole, and all of its companies are exported', () =>
  unlessTooSlow(async (attempt) => {
    const { query, printed } = await restoreLastRelease(attempt);
    const trail = await query(`
      SELECT created_at AS at, action, company_id AS "companyId", integration_id AS "integrationId", key_id AS "keyId",
             phone_number_id AS "phoneNumberId", agent_id AS "agentId", details,
             json_build_object('operator', operator, 'keyId', acting_key_id, 'requestId', request_id, 'address', caller_address) AS by
        FROM audit_entry`);
    const versions = await query(`
      SELECT a.company_id AS company, v.agent_id AS "agentId", v.version, v.snapshot FROM agent_version v
        JOIN agent a ON a.id = v.agent_id ORDER BY a.id, v.version`);
    expect([trail.length, versions.length]).toEqual([rowsInDump('audit_entry'), rowsInDump('agent_version')]);

    const listed: AuditEntry[] = JSON.parse(await printed('audit', 'list', '--limit', '1000'));
    expect(listed).toHaveLength(trail.length + versions.length);
    const isOfHistory = ({ action }: AuditEntry) => /^agent\.(created|changed|restored)$/.test(action);
    const asListed = JSON.parse(JSON.stringify(trail));
    expect(listed.filter((entry) => !isOfHistory(entry))).toEqual(expect.arrayContaining(asListed));
    expect(listed.filter(isOfHistory)).toHaveLength(versions.length);

    const companies = await query('SELECT id FROM company');
    expect(companies.length).toBeGreaterThan(1);
    for (const { id } of companies) {
      const lines = (await printed('company', 'export', '--company', id)).trimEnd().split('\n');
      const of = (record: string) => lines.map((line) => JSON.parse(line)).filter((line) => line.record === record);
      const own = versions.filter(({ company }) => company === id);
      expect(of('version')).toMatchObject(
        own.map(({ agentId, version, snapshot }) => ({ agentId, version, snapshot })),
      );
      const actions = trail.filter(({ companyId }) => companyId === id).map(({ action }) => action);
      expect(
        of('auditEntry')
          .map(({ action }) => action)
          .toSorted(),
      ).toEqual([...actions, 'company.exported'].toSorted());
    }
  }));

/** All fields that an older release may not have known, without those that a new agent requires. */
const unknownThen = agentFields.filter((name) => !['name', 'type', 'focus', 'language', 'duration'].includes(name));

const snapshots = [
  { as: 'as that release wrote them', missing: [] },
  { as: 'without the fields that their release may not have known', missing: unknownThen },
];

test.for(snapshots)(
  'with snapshots $as every version can be read and restored, every kept answer is replayed, and every agent can be patched',
  ({ missing }) =>
    unlessTooSlow(async (attempt) => {
      const { send, query } = await restoreLastRelease(attempt, missing);
      for (const call of recorded.kept) {
        const answer = await send(call);
        expect([answer.status, answer.headers['etag']], call.line).toEqual([call.status, call.answer['etag']]);
        expect(answer.body, call.line).toEqual(completed(JSON.parse(call.text), missing));
      }
      const versions = recorded.reads.filter(({ line }) => ofVersion.test(line));
      expect(versions.length).toBeGreaterThan(20);
      for (const call of versions) {
        const was = completed(JSON.parse(call.text), missing);
        expect((await send(call)).body, call.line).toEqual(was);
        const line = call.line.replace(ofVersion, 'POST $1/restore');
        const restored = await send({ key: call.key, line });
        expect(restored.status, line).toBe(200);
        const { companyPhoneNumberId, ...shown } = fieldsOf(Object(was));
        expect(fieldsOf(Object(restored.body)), line).toEqual(shown);
        expect(restored.headers['agent-phone-number-id'] ?? null, line).toBe(companyPhoneNumberId);
        const now = await send({ key: call.key, line: call.line.replace(/\/versions.*/, '') });
        expect([now.text, now.headers['etag']], line).toEqual([restored.text, restored.headers['etag']]);
      }
      const agents = recorded.reads.filter(({ line, key }) => ofOneAgent.test(line) && key !== 'reader');
      for (const { key, line } of agents) {
        const before = await send({ key, line });
        const path = line.replace('GET ', '');
        const patched = await send({ key, line: `PATCH ${path}`, body: '{"duration":77,"metadata":{"today":[true]}}' });
        const { updatedAt, ...after } = Object(patched.body);
        const { metadata, updatedAt: earlier, ...others } = Object(before.body);
        expect([patched.status, updatedAt > earlier], line).toEqual([200, true]);
        expect(after, line).toEqual({ ...others, duration: 77, metadata: { ...metadata, today: [true] } });
      }
      expect(await query(restoreCheck())).toEqual([]);
    }),
);
