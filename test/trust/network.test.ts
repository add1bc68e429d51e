import { setTimeout as delay } from 'node:timers/promises';
import { inject, test } from 'vitest';
import { openLink } from '../support/database-link.ts';
import { openWorld } from '../support/world.ts';
import { openOutageClients } from './support/outage-clients.ts';

const world = await openWorld();
/** Milliseconds of each outage. */
const lasting = 6_000;
const times = inject('isShort') ? 1 : 3;

type Link = Awaited<ReturnType<typeof openLink>>;

interface Fault {
  readonly harm: (link: Link) => unknown;
  readonly mend: (link: Link) => unknown;
}

const faults: Readonly<Record<string, Fault>> = {
  'resets and refuses connections': { harm: (link) => link.cutOff(), mend: (link) => link.repair() },
  'silently drops everything': { harm: (link) => link.freeze(), mend: (link) => link.thaw() },
  'lets one byte through each 100 ms': { harm: (link) => link.drip(), mend: (link) => link.flow() },
};

test.for(Object.entries(faults))(
  'while the network to the database %s for 6 s, requests are only 503 and in time; they are served within 2 s afterwards and nothing is lost',
  async ([, { harm, mend }]) => {
    const link = await openLink(world.databaseUrl);
    const outageClients = await openOutageClients({ databaseUrl: link.url, ownerUrl: world.ownerUrl });
    for (let time = 0; time < times; time += 1) {
      await outageClients.expectRecoveryFrom({
        task: async () => {
          await harm(link);
          await delay(lasting);
          await mend(link);
        },
      });
    }
    await outageClients.expectAllSaved();
  },
);

test('after the network silently dropped connections requests are only 503 and in time, and served once one statement has timed out', async () => {
  const link = await openLink(world.databaseUrl);
  const outageClients = await openOutageClients({ databaseUrl: link.url, ownerUrl: world.ownerUrl });
  for (const lost of Array.from({ length: times }, (_, time) => time * lasting)) {
    await outageClients.expectRecoveryFrom({
      // Before the time limit of a statement, 2.2 s, such a connection cannot be told from a slow one.
      recovery: 3_000,
      task: async () => {
        link.forget();
        await delay(lost);
        link.remember();
      },
    });
  }
  await outageClients.expectAllSaved();
});
