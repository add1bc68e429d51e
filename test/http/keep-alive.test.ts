import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { tickedTime } from '../support/ticks.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

const live = head('GET /health/live HTTP/1.1', 'Host: api');

test('an idle connection is closed KEEP_ALIVE_SECONDS after an answer, by default 72', () =>
  unlessTooSlow(async ({ provedBy }) => {
    const [start, ticked] = [performance.now(), tickedTime()];
    // If this process stands still for too long, the server closes a connection before it reads what was sent.
    provedBy(() => performance.now() - start - (tickedTime() - ticked) > 900);
    const { origin } = await openAnotherServer(world, { keepAliveSeconds: 1 });
    await RawSocket.use(world.origin, (patient) =>
      RawSocket.use(origin, async (idle) => {
        patient.write(live);
        expect(await patient.answer()).toMatchObject({ headers: { 'keep-alive': 'timeout=72' } });
        for (let position = 0; position < 2; position += 1) {
          idle.write(live);
          expect(await idle.answer(position)).toMatchObject({ status: 200, headers: { 'keep-alive': 'timeout=1' } });
        }
        const order: string[] = [];
        const reference = delay(900).then(() => order.push('900 ms'));
        expect(await idle.untilClosed()).toHaveLength(2);
        order.push('closed');
        await reference;
        expect([idle.ending, order]).toEqual(['closed', ['900 ms', 'closed']]);
        expect(patient.ending).toBe('open');
        patient.write(live);
        expect(await patient.answer(1)).toMatchObject({ status: 200 });
      }),
    );
  }));
