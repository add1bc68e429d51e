import { setTimeout as delay } from 'node:timers/promises';
import { inject, test } from 'vitest';
import { openLink } from '../support/database-link.ts';
import { openSiege } from '../support/siege.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
/** Milliseconds that an outage lasts, each time. */
const lasting = 6_000;
const times = inject('isShort') ? 1 : 3;

type Link = Awaited<ReturnType<typeof openLink>>;

const faults: Readonly<Record<string, { harm: (link: Link) => unknown; mend: (link: Link) => unknown }>> = {
  'resets and refuses connections': { harm: (link) => link.cutOff(), mend: (link) => link.repair() },
  'lets nothing through and tells nobody': { harm: (link) => link.freeze(), mend: (link) => link.thaw() },
  'forgets its connections and tells nobody': { harm: (link) => link.forget(), mend: (link) => link.remember() },
  'lets one byte through each 100 ms': { harm: (link) => link.drip(), mend: (link) => link.flow() },
};

test.for(Object.entries(faults))(
  'a network to the database that %s for 6 s: only 503 in time, back within 2 s, nothing lost',
  async ([, { harm, mend }]) => {
    const link = await openLink(world.databaseUrl);
    const siege = await openSiege({ databaseUrl: link.url, ownerUrl: world.ownerUrl });
    for (let time = 0; time < times; time += 1) {
      await siege.withstand({
        task: async () => {
          await harm(link);
          await delay(lasting);
          await mend(link);
        },
      });
    }
    await siege.expectAllSaved();
  },
);

test('connections that the network forgets in a moment: only 503 in time, back within 2 s', async () => {
  const link = await openLink(world.databaseUrl);
  const siege = await openSiege({ databaseUrl: link.url, ownerUrl: world.ownerUrl });
  for (let time = 0; time < times; time += 1) {
    await siege.withstand({
      task: async () => {
        link.forget();
        link.remember();
      },
    });
  }
  await siege.expectAllSaved();
});
