import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../support/connection.ts';
import { dataDir, open, useEmbedded } from '../support/embedded.ts';

useEmbedded();
beforeAll(async () => {
  const embedded = await open(dataDir, 'server');
  await run(embedded.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await embedded.close();
});

/** From now to the end of the test, each reading of a clock is an hour later than the one before. */
function hurry(clock: { now(): number }) {
  let ahead = 0;
  const now = clock.now.bind(clock);
  const hurried = vi.spyOn(clock, 'now').mockImplementation(() => {
    ahead += 3_600_000;
    return now() + ahead;
  });
  onTestFinished(() => hurried.mockRestore());
  return hurried;
}

test('a start and a stop take the time that they need while the clock of the machine is set forward', async () => {
  const hurried = hurry(Date);
  const embedded = await open(dataDir, 'server');
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
  hurried.mockRestore();
});
