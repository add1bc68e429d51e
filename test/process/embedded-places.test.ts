import { spawnSync } from 'node:child_process';
import { chmod, chown, cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import {
  answers,
  canBeNobody,
  dataDir,
  expectRefusal,
  folder,
  hold,
  isRoot,
  kill,
  makeBareCheckout,
  makeCluster,
  nobody,
  open,
  release,
  useEmbedded,
} from '../support/embedded.ts';
import { eraseEmbedded } from '../support/erase-embedded.ts';
import { build } from '../support/process.ts';

beforeAll(build);
useEmbedded();
beforeAll(async () => {
  const embedded = await open(dataDir, 'operator');
  await embedded.close();
});

describe('a DATA_DIR or cluster that cannot be used is refused in one line', () => {
  const refusals: [string, RegExp, (place: string) => Promise<unknown>][] = [
    ['a file', /DATA_DIR .* is not a directory/, (place) => writeFile(place, '')],
    ['a link to nothing', /mkdir '.*'\): see that its disk is there, has /, (place) => symlink('nothing', place)],
    [
      'a cluster of another release',
      /made by PostgreSQL 15, and this release brings 18/,
      (place) => makeCluster(place, '15'),
    ],
    ['a folder that is no cluster', /was made not by PostgreSQL/, (place) => makeCluster(place)],
  ];

  test.each(refusals)('%s', async (what, message, prepare) => {
    const place = join(folder, what);
    await prepare(place);
    await expectRefusal(open(place, 'server'), message);
    eraseEmbedded(place);
  });

  test('a lost password, and PostgreSQL is stopped', async () => {
    const file = join(dataDir, 'postgres-password');
    const password = await readFile(file, 'utf8');
    await writeFile(file, 'another');
    await expectRefusal(open(dataDir, 'server'), /postgres-password does not open the cluster/);
    await writeFile(file, password);
    await expect(stat(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))).rejects.toThrow('ENOENT');
  });

  test('a PostgreSQL that does not start, with the reason from its log', async () => {
    const settings = join(dataDir, 'postgres', 'cluster', 'postgresql.conf');
    const text = await readFile(settings, 'utf8');
    await writeFile(settings, `${text}\nshared_buffers = '1kB'\n`);
    await expectRefusal(open(dataDir, 'server'), /does not start: .*(shared_buffers|contains errors)/);
    await writeFile(settings, text);
  });
});

/** It fails if PostgreSQL deletes a file meanwhile, and copies the others all the same. */
const copyTree = (from: string, to: string) => spawnSync('cp', ['-a', from, to]);

async function expectCopy(dataDir: string, original: string): Promise<void> {
  const [pid] = (await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split('\n');
  const refusal = new RegExp(
    `DATA_DIR ${dataDir} is a copy of one whose PostgreSQL \\(process ${pid}\\) was started in ${original}/postgres/cluster: ` +
      'stop the server there, or that process if there is none, and copy it again$',
  );
  for (const role of ['server', 'operator'] as const) await expectRefusal(open(dataDir, role), refusal);
}

test('a copy of a DATA_DIR whose PostgreSQL runs is refused, wherever the original was moved; the original goes on', async () => {
  const original = join(folder, 'original');
  const { child, url } = await hold(original, 'server');
  await run(url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await mkdir(join(folder, 'copies'));
  // Where PostgreSQL's programs have to be copied, its user runs them there.
  await chmod(join(folder, 'copies'), 0o755);
  const copy = join(folder, 'copies', 'data');
  copyTree(original, copy);
  await expectCopy(copy, original);
  await kill(child, 'SIGKILL');
  await expectCopy(copy, original);

  const moved = join(folder, 'moved');
  await rename(original, moved);
  await expectCopy(copy, original);
  // A copy at the place that the original had.
  copyTree(moved, original);
  await expectCopy(original, original);
  const adopted = await open(moved, 'server');
  expect(adopted.notes).toContain(`adopted the PostgreSQL that was left running in ${moved}/postgres/cluster`);
  expect(await run(adopted.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  expect((await readdir(join(moved, 'postgres', 'cluster'))).filter((name) => name.startsWith('copy-'))).toEqual([]);
  await adopted.close();
  for (const place of [copy, original]) await rm(place, { recursive: true });
});

describe.runIf(isRoot)('as root', () => {
  const hasNobody = canBeNobody();

  test('PostgreSQL runs as another user', async () => {
    const embedded = await open(dataDir, 'server');
    const pid = Number.parseInt(await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8'), 10);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+[1-9]/m);
    expect(status).toMatch(/^Gid:\s+[1-9]/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    await embedded.close();
  });

  test('if that user cannot enter, the cluster is below /var/lib; a note says so, it follows a move, and a copy is refused', async () => {
    const closed = join(folder, 'closed');
    const place = join(closed, 'data');
    await mkdir(place, { recursive: true, mode: 0o700 });
    await chmod(closed, 0o700);
    const first = await open(place, 'server');
    const location = await readFile(join(place, 'postgres-location'), 'utf8');
    expect(location).toMatch(/^\/var\/lib\/interview-agents-api\/[0-9a-f]{16}$/);
    expect(first.notes).toEqual([
      expect.stringMatching(`the data is in ${location}, since user \\w+, as whom PostgreSQL runs, cannot enter`),
    ]);
    expect((await readdir(place)).toSorted()).toEqual(['postgres-location', 'postgres-password']);
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.close();

    const second = await open(place, 'server');
    expect(await run(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
    await second.close();

    const [moved, copy] = [join(closed, 'moved'), join(closed, 'copy')];
    await rename(place, moved);
    const third = await open(moved, 'server');
    expect(await run(third.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
    await third.close();

    const fresh = await open(place, 'operator');
    await expect(run(fresh.url, 'SELECT value FROM kept')).rejects.toThrow('"kept" does not exist');
    await fresh.close();
    eraseEmbedded(place);

    await cp(moved, copy, { recursive: true });
    await expectRefusal(
      open(copy, 'operator'),
      /DATA_DIR \S.*\/copy is a copy of \S.*\/moved, whose .*: delete \S.*\/copy\/postgres-location for a database of its own$/,
    );
    await rm(join(copy, 'postgres-location'));
    const own = await open(copy, 'operator');
    await expect(run(own.url, 'SELECT value FROM kept')).rejects.toThrow('"kept" does not exist');
    await own.close();
    eraseEmbedded(copy);
    eraseEmbedded(moved);
    await expect(stat(location)).rejects.toThrow('ENOENT');
  });

  test('an installation without install scripts, closed to that user, is copied and completed', async () => {
    const checkout = await makeBareCheckout(join(folder, 'checkout'));
    const place = join(folder, 'copied');
    const { child, url } = await hold(place, 'server', { cwd: checkout });
    expect(await answers(url)).toBe(true);
    await release(child);
    expect(await readdir(join(place, 'postgres'))).toContainEqual(expect.stringMatching(/^postgresql-18\./));
    eraseEmbedded(place);
    await rm(checkout, { recursive: true });
  });

  test.runIf(hasNobody)(
    'a DATA_DIR of root refuses an ordinary user, and one of an ordinary user refuses root',
    async () => {
      await expectRefusal(hold(dataDir, 'server', nobody), /DATA_DIR .* of user id 0 cannot be used/);

      const theirs = join(folder, 'theirs');
      await mkdir(theirs);
      await chown(theirs, nobody.uid, nobody.gid);
      const { child, url } = await hold(theirs, 'server', nobody);
      expect(await answers(url)).toBe(true);
      await release(child);
      expect((await stat(join(theirs, 'postgres', 'cluster'))).uid).toBe(nobody.uid);
      const asRoot = open(theirs, 'server');
      await expectRefusal(asRoot, /belongs to user id 65534, but PostgreSQL would run as/);
      eraseEmbedded(theirs);
    },
  );

  test.runIf(hasNobody)('an ordinary user who cannot write to DATA_DIR gets the reason', async () => {
    const place = join(folder, 'unwritable', 'data');
    await mkdir(join(folder, 'unwritable'));
    await expectRefusal(hold(place, 'server', nobody), /DATA_DIR .* cannot be used \(EACCES/);
  });
});
