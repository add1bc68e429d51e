import { expect, test, vi } from 'vitest';
import { openLink } from '../support/database-link.ts';
import { send } from '../support/http.ts';
import { startServer } from '../support/process.ts';
import { agentAtTwo, expectReplay, newKey, retriables } from '../support/retry.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const kinds = ['a patch under If-Match', 'a patch that changes nothing', 'a restore', 'a creation'];

test.for(Object.entries(retriables).filter(([kind]) => kinds.includes(kind)))(
  'if a server is killed between commit and answer, the repeated request gets the kept answer after the next start, and is not carried out again: %s',
  ([kind, make]) =>
    unlessTooSlow(async ({ timed, atEnd }) => {
      const agent = await agentAtTwo(world);
      const { line, body, headers } = make(agent, await world.phoneNumber(agent.companyId));
      const key = newKey();
      const [method = '', path = ''] = line.split(' ');
      const sent = {
        method,
        path,
        headers: {
          authorization: `Bearer ${agent.key}`,
          'idempotency-key': key,
          ...(body && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      };
      const link = await openLink(world.databaseUrl);
      const environment = { DATABASE_URL: link.url, API_KEY_SECRET: world.secret };
      const { server, origin } = await startServer(environment, { atEnd });
      const isKept = async () => {
        const found = await world.sql.query('SELECT FROM idempotency_key WHERE api_key_id = $1', [agent.keyId]);
        return found.rowCount === 1;
      };

      // The change is committed, and the answer does not arrive.
      // With a phone number, a creation is a transaction of several statements.
      link.freezeBehind(kind === 'a creation' ? 'COMMIT' : 'INSERT INTO idempotency_key');
      // After 2.2 s the answer is 503, which says as little as none.
      const unanswered = timed(send(origin, sent)).then(
        ({ status }) => (status === 503 ? 'no answer' : 'answered'),
        () => 'no answer',
      );
      await Promise.race([vi.waitUntil(isKept, { timeout: 60_000, interval: 10 }), unanswered]);
      server.signal('SIGKILL');
      expect(await unanswered).toBe('no answer');
      const before = await world.sql.query('SELECT k.agent_id AS id FROM idempotency_key k WHERE api_key_id = $1', [
        agent.keyId,
      ]);
      const { id } = before.rows[0];
      const committed = await storedAgent(world, id);
      link.thaw();
      const next = await startServer(environment, { atEnd });
      const [answer, again] = [await timed(send(next.origin, sent)), await timed(send(next.origin, sent))];
      expect(answer).toMatchObject({ status: method === 'POST' && path === '/agents' ? 201 : 200, body: { id } });
      expect(answer.headers).toMatchObject({ 'idempotent-replayed': 'true', etag: `"${committed.row.version}"` });
      expectReplay(again, { ...answer, headers: withoutReplayed(answer.headers) });
      expect(await storedAgent(world, id)).toEqual(committed);
    }),
);

const withoutReplayed = ({ 'idempotent-replayed': _, ...others }: Awaited<ReturnType<typeof send>>['headers']) =>
  others;
