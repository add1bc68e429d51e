import { expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import { openClient } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { versionIn } from '../support/stored-agent.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { startCluster } from './support/cluster.ts';
import { openScene } from './support/scene.ts';

build();
const cluster = await startCluster();

test('in asynchronous mode acknowledged changes can be lost with the primary, and no server answers content that the database no longer has', () =>
  unlessTooSlow(async (attempt) => {
    const { companyId, key, ids, load } = await openScene(cluster, attempt, 1);
    const { primary, standby } = await cluster.whole();
    await cluster.configureFor(
      { synchronous_mode: false, synchronous_mode_strict: false },
      { synchronous_mode: true, synchronous_mode_strict: true },
    );
    await cluster.until(async () => {
      const [row] = await run(cluster.superUrl(primary), 'SHOW synchronous_standby_names');
      return row?.['synchronous_standby_names'] === '';
    });
    await load.more(50);
    // From here on acknowledged changes are on the primary only.
    const [sender] = await run(cluster.superUrl(primary), 'SELECT pid FROM pg_stat_replication');
    process.kill(Number(sender?.['pid']), 'SIGSTOP');
    await load.more(50);
    const summary = await load.stop();
    cluster.kill(primary);
    await cluster.until(() => cluster.is(standby, 'primary'));
    const client = openClient(key);
    for (const origin of cluster.servers) await untilServed(origin);

    const kept = await run(
      cluster.superUrl(standby),
      'SELECT request_id FROM agent_version WHERE request_id IS NOT NULL',
    );
    const saved = new Set(kept.map((row) => row['request_id']));
    const lost = load.acknowledged.filter(({ requestId }) => !saved.has(requestId));
    console.log(`${summary}; ${lost.length} of them lost`);
    expect(lost.length).toBeGreaterThan(0);

    for (const origin of cluster.servers) {
      for (const id of ids) {
        const { version } = JSON.parse(await cluster.row(id));
        const answer = await client(origin, { line: `GET /agents/${id}` });
        expect(versionIn(answer)).toBe(version);
        const ofLost = lost.find(({ answer }) => Object(answer.body).id === id && versionIn(answer) > version);
        if (!ofLost) continue;
        const path = `/agents/${id}`;
        const tag = ofLost.answer.headers.etag ?? '';
        const call = { line: `PATCH ${path}`, body: { duration: 45 }, headers: { 'if-match': tag } };
        expect((await client(origin, call)).status).toBe(412);
        expect((await client(origin, { line: `GET ${path}`, headers: { 'if-none-match': tag } })).status).toBe(200);
        expect((await client(origin, { line: `GET ${path}/versions/${versionIn(ofLost.answer)}` })).status).toBe(404);
      }
      for (const { answer } of lost.filter(({ call }) => call.line.startsWith('POST'))) {
        expect((await client(origin, { line: `GET /agents/${Object(answer.body).id}` })).status).toBe(404);
      }
    }
    // A lost change that is sent again is applied once.
    for (const [at, { requestId, call }] of lost.entries()) {
      const send = () => client(cluster.servers[at % 2] ?? '', call);
      const again = await send();
      expect([again.status, again.headers['idempotent-replayed']]).toEqual([expect.toBeOneOf([200, 201]), undefined]);
      const entries = `SELECT v.version FROM agent_version v JOIN agent a ON a.id = v.agent_id
                      WHERE a.company_id = '${companyId}' AND v.request_id = '${requestId}'`;
      expect(await run(cluster.superUrl(standby), entries)).toEqual([{ version: versionIn(again) }]);
      expect(await send()).toMatchObject({ status: again.status, text: again.text });
    }
    cluster.revive();

    /** Resolves when HAProxy has found the new primary. */
    async function untilServed(origin: string): Promise<void> {
      const answers = () => client(origin, { line: `GET /agents/${ids[0]}` });
      await cluster.until(async () => (await answers()).status === 200);
    }
  }));
