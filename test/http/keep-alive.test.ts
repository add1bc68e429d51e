import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

const live = head('GET /health/live HTTP/1.1', 'Host: api');

test('an idle connection is closed KEEP_ALIVE_SECONDS after an answer, by default 72', async () => {
  const { origin } = await openAnotherServer(world, { keepAliveSeconds: 1 });
  await RawSocket.use(world.origin, (patient) =>
    RawSocket.use(origin, async (idle) => {
      patient.write(live);
      expect(await patient.answer()).toMatchObject({ headers: { 'keep-alive': 'timeout=72' } });
      for (let position = 0; position < 2; position += 1) {
        idle.write(live);
        expect(await idle.answer(position)).toMatchObject({ status: 200, headers: { 'keep-alive': 'timeout=1' } });
      }
      expect(await idle.untilClosed()).toHaveLength(2);
      expect(idle.ending).toBe('closed');
      expect(patient.ending).toBe('open');
      patient.write(live);
      expect(await patient.answer(1)).toMatchObject({ status: 200 });
    }),
  );
});
