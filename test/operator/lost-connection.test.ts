import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { uuid } from '../support/admin.ts';
import { openLink } from '../support/database-link.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { operatorOf, parsedBy, runOperator } from '../support/operator.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const admin = parsedBy(world);

const lost = {
  code: 1,
  stdout: '',
  stderr:
    'error: the database did not answer, or the connection to it broke: once it answers, audit list shows what the ' +
    'command has done: repeat it unless that is everything\n',
};

const overLink = (link: Link, ...command: string[]) =>
  runOperator({ DATABASE_URL: link.url, API_KEY_SECRET: world.secret }, command);

type Link = Awaited<ReturnType<typeof openLink>>;

test.for<[string, (link: Link) => unknown]>([
  ['is reset', (link) => link.cutOff()],
  ['is closed', (link) => link.hangUp()],
  ['has no answer within the time limit', () => vi.advanceTimersByTimeAsync(60_000)],
])(
  'where the connection of a command %s after its COMMIT, the operator is told to see whether it has changed anything',
  async ([, lose]) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const link = await openLink(world.ownerUrl);
    link.freezeBehind('COMMIT');
    const name = `Company ${randomUUID()}`;
    const command = overLink(link, 'company', 'create', '--name', name);
    const isCommitted = async () =>
      (await world.sql.query('SELECT FROM company WHERE name = $1', [name])).rowCount === 1;
    await vi.waitUntil(isCommitted, { timeout: 60_000, interval: 20 });
    await lose(link);
    expect(await command).toEqual(lost);
    expect(await admin('company', 'list')).toContainEqual({ id: uuid, name });
  },
);

test('where an administrator ends the session of a command, the operator is told to see whether it has changed anything', async () => {
  const { id } = await world.company();
  await whileLocked(world, 'SELECT FROM company WHERE id = $1 FOR UPDATE', [id], async () => {
    const command = operatorOf(world)(['company', 'rename', '--company', id, '--name', 'Another name']);
    await untilWaiting(world);
    const waiting = "datname = current_database() AND wait_event_type = 'Lock'";
    await world.sql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${waiting}`);
    expect(await command).toEqual(lost);
  });
});

test.for<[string, string]>([
  ['audit list', 'audit_entry'],
  ['company list', 'company'],
])(
  'where the connection of %s breaks, which only reads, the operator is told to repeat it unless all was done',
  async ([line, asked]) => {
    const link = await openLink(world.ownerUrl);
    link.freezeBehind(asked);
    const command = overLink(link, ...line.split(' '));
    await vi.waitUntil(() => link.asked().includes(asked), { timeout: 60_000, interval: 20 });
    await link.cutOff();
    expect(await command).toEqual(lost);
  },
);
