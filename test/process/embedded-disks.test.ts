import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { canBeNobody, dataDir, folder, open, useEmbedded } from '../support/embedded.ts';
import { build, repeatedIfTooSlow, runToEnd, tooSlow } from '../support/process.ts';
import { canMount } from '../trust/support/small-disk.ts';

beforeAll(build);
useEmbedded();
beforeAll(async () => {
  const embedded = await open(dataDir, 'operator');
  await embedded.close();
});

/** Shell commands: `$1` is the disk, `$2` a DATA_DIR with a cluster. */
const fill = 'dd if=/dev/zero of="$1/rest" bs=4k || true';
const copy = 'cp -a "$2/." "$1"';

const unusable = (reason: string) =>
  `DATA_DIR PLACE cannot be used \\(${reason}\\): see that its disk is there, has room and takes writes, or name another one`;

const initdb = (reason: string) =>
  `PostgreSQL's initdb fails for PLACE/postgres/cluster: ${reason}: No space left on device`;

describe.runIf(canMount && canBeNobody())(
  'a DATA_DIR that cannot be written to is refused in one line that says so',
  () => {
    test.each<[string, string, string, string]>([
      ['full, no folder fits', 'nr_inodes=1', '', unusable("ENO(ENT|SPC): [^)]+, mkdir 'PLACE/postgres'")],
      ['full, no file fits', 'nr_inodes=2', '', unusable("ENOSPC: no space left on device, open 'PLACE/[^)]+'")],
      [
        'full, no cluster fits',
        'nr_inodes=4',
        '',
        unusable("ENOSPC: no space left on device, open 'PLACE/postgres/[^)]+'"),
      ],
      ['full, a part of a cluster fits', 'nr_inodes=30', '', initdb('could not open file "[^"]+" for writing')],
      ['full, no log of writes fits', 'size=2m', '', initdb('could not write to file "pg_wal/[^"]+"')],
      ['read-only and empty', 'ro', '', unusable("E(NOENT|ROFS): [^)]+, mkdir 'PLACE/postgres'")],
      [
        'read-only, with a cluster',
        'rw',
        `${copy} && mount -o remount,ro "$1"`,
        unusable("EROFS: read-only file system, open 'PLACE/postgres/postgres.log'"),
      ],
      [
        'full, with a cluster',
        'size=200m',
        `${copy} && ${fill}`,
        'PostgreSQL in PLACE/postgres/cluster does not start: could not write lock file "postmaster.pid": No space left on device',
      ],
      [
        'full, with a cluster whose log is empty',
        'size=200m',
        `${copy} && : > "$1/postgres/postgres.log" && ${fill}`,
        unusable('ENOSPC: no space left on device, write'),
      ],
    ])('%s', async (what, options, prepare, line) => {
      const place = join(folder, what);
      await mkdir(place);
      // The disk is seen by the server alone, and gone with it.
      const script = `mount -t tmpfs -o "$3" tmpfs "$1" && { ${prepare || ':'}; } 2> "$1.output" && exec "$4" dist/server.js`;
      const command = ['unshare', '--mount', 'sh', '-c', script, 'sh', place, dataDir, options, process.execPath];
      const ended = await runToEnd(command, { env: { DATA_DIR: place } });
      const stderr = expect.stringMatching(`^${line.replaceAll('PLACE', () => place)}\\n$`);
      expect(ended).toEqual({ code: 1, stdout: '', stderr });
    });
  },
);

/** Shell commands: `$1` is the disk of a DATA_DIR that PostgreSQL's user cannot enter, `$2` is Node. */
const withoutDemo = 'mount -t tmpfs -o size=1m,mode=0700 tmpfs "$1" && "$2" dist/admin.js company list > /dev/null';
const startAndList = '"$2" dist/server.js; code=$?; "$2" dist/admin.js company list';
/** The folder that it is in may have the clusters of others, or be gone with the last of them. */
const erase = 'home=$(cat "$1/postgres-location"); rm -r "$home"; rmdir "$(dirname "$home")" 2> /dev/null || true';

test.runIf(canMount).each([
  ['read-only', 'mount -o remount,ro "$1"', 'EROFS: read-only file system, open'],
  ['full', 'dd if=/dev/zero of="$1/rest" bs=4k 2> /dev/null', 'ENOSPC: no space left on device, (write|open)'],
])(
  'where the demo cannot be kept, since the disk of DATA_DIR is %s and the cluster elsewhere, a start is refused in one line and creates none',
  async (what, prepare, reason) => {
    const place = join(folder, `${what}, without a demo`);
    await mkdir(place);
    const script = `${withoutDemo} && { ${prepare}; ${startAndList}; ${erase}; exit $code; }`;
    const command = ['unshare', '--mount', 'sh', '-c', script, 'sh', place, process.execPath];
    const ended = await repeatedIfTooSlow(async () => {
      const attempt = await runToEnd(command, { env: { DATA_DIR: place, PORT: '0' } });
      if (tooSlow.test(attempt.stderr)) throw new Error(attempt.stderr);
      return attempt;
    });
    const line = unusable(`${reason}[^)]*`).replace('PLACE', () => place);
    expect(ended).toEqual({ code: 1, stdout: '[]\n', stderr: expect.stringMatching(`^${line}\n$`) });
  },
);
