import { expect, test } from 'vitest';
import { openCluster } from '../support/debian-postgres.ts';
import { runToEnd } from '../support/process.ts';

/** The tests that count reads on the embedded PostgreSQL, which may plan and read indexes differently. */
const files = [
  'test/database/grown-tables.test.ts',
  'test/database/plans.test.ts',
  'test/database/growth.test.ts',
  'test/operator/prune.test.ts',
  'test/webhooks/agent-list-cost.test.ts',
  'test/webhooks/growth.test.ts',
  'test/webhooks/list-cost.test.ts',
  'test/webhooks/deletion-cost.test.ts',
  'test/webhooks/long-lines.test.ts',
];

test('the statements read as few blocks on Debian’s PostgreSQL as on the embedded one', {
  timeout: 1_800_000,
}, async () => {
  const url = await openCluster();
  const run = await runToEnd(['node_modules/.bin/vitest', 'run', ...files], {
    env: { TEST_DATABASE_URL: url('postgres', 'postgres'), NO_COLOR: '1' },
  });
  expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(`Test Files +${files.length} passed \\(`) });
});
