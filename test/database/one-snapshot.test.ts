import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { openLink } from '../support/database-link.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld, type World } from '../support/world.ts';

const world = await openWorld();

interface List {
  readonly key: string;
  /** With filters, without page and limit. */
  readonly path: string;
  /** Takes away the first of three items. */
  readonly removeFirst: () => Promise<unknown>;
}

interface ListCase {
  /** What all statements have that read the list, and none before them. */
  readonly reads: string;
  readonly ofThree: (world: World) => Promise<List>;
}

const lists: Readonly<Record<string, ListCase>> = {
  agents: {
    reads: 'FROM agent a\n',
    async ofThree({ company, agent, deleteAgent }) {
      const { id: companyId, key } = await company();
      for (const _ of [1, 2]) await agent(companyId);
      const newest = await agent(companyId);
      return { key, path: '/agents', removeFirst: () => deleteAgent(newest.id) };
    },
  },
  'agents that match a filter': {
    reads: 'FROM agent a\n',
    async ofThree({ company, agent, deleteAgent }) {
      const { id: companyId, key } = await company();
      for (const language of ['DE', 'DE', 'EN'] as const) await agent(companyId, { language });
      const newest = await agent(companyId, { language: 'DE' });
      return { key, path: '/agents?language=DE', removeFirst: () => deleteAgent(newest.id) };
    },
  },
  companies: {
    reads: 'company c',
    async ofThree({ company, ats, companies }) {
      const oldest = await company();
      const { key, id } = await ats(oldest.id, (await company()).id, (await company()).id);
      return { key, path: '/companies', removeFirst: () => companies.revoke(id, oldest.id) };
    },
  },
  'phone numbers': {
    reads: 'company_phone_number n',
    async ofThree({ company, phoneNumber, companies }) {
      const { id: companyId, key } = await company();
      const oldest = await phoneNumber(companyId);
      for (const _ of [1, 2]) await phoneNumber(companyId);
      return { key, path: '/phone-numbers', removeFirst: () => companies.deactivatePhoneNumber(oldest) };
    },
  },
  'webhook endpoints': {
    reads: 'webhook_endpoint',
    async ofThree({ company, call }) {
      const { key } = await company();
      for (const _ of [1, 2]) await newWebhook(world, key);
      const newest = await newWebhook(world, key);
      return { key, path: '/webhooks', removeFirst: () => call(key, `DELETE /webhooks/${newest.id}`) };
    },
  },
  deliveries: {
    reads: 'FROM webhook_delivery d',
    async ofThree({ company, call, sql }) {
      const { key } = await company();
      const { id } = await newWebhook(world, key);
      for (const _ of [1, 2]) await call(key, `POST /webhooks/${id}/ping`);
      const newest = Object((await call(key, `POST /webhooks/${id}/ping`)).body);
      const removeFirst = () => sql.query('DELETE FROM webhook_delivery WHERE id = $1', [newest.id]);
      return { key, path: `/webhooks/${id}/deliveries`, removeFirst };
    },
  },
};

test.for(Object.entries(lists))(
  'the total and the items of a page of %s are of one moment, whatever changes while they are read',
  async ([, { reads, ofThree }]) => {
    const { key, path, removeFirst } = await ofThree(world);
    const line = `GET ${path}${path.includes('?') ? '&' : '?'}limit=2`;
    const before = await world.call(key, line);
    expect(before.body).toMatchObject({ pagination: { total: 3, hasNextPage: true } });

    // All statements are sent by one connection, one after the other: the change comes between the first and the second.
    const link = await openLink(world.databaseUrl);
    const { origin } = await openAnotherServer(world, { databaseUrl: link.url, connections: 1 });
    link.freezeBehind(reads);
    const meanwhile = callsOf(origin).call(key, line);
    const isRead = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user
                       AND client_port = ANY($1) AND state = 'idle' AND position($2 in query) > 0`;
    await vi.waitUntil(async () => (await world.sql.query(isRead, [link.ports(), reads])).rowCount === 1, {
      ...{ timeout: 60_000, interval: 10 },
    });
    await removeFirst();
    link.thaw();

    const after = await world.call(key, line);
    expect(after.body).toMatchObject({ pagination: { total: 2, hasNextPage: false } });
    expect([before.body, after.body]).toContainEqual((await meanwhile).body);
  },
);
