import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, makeFolder, startProcess, startServer } from '../support/process.ts';
import { parts } from '../support/release.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const root = join(import.meta.dirname, '..', '..');
const world = await openWorld();

beforeAll(build);

/** The changes that a release with one more field needs. */
const edits: readonly (readonly [file: string, before: string, after: string])[] = [
  [
    'src/agents/fields.ts',
    '} as const;\n\ntype Fields',
    `  maxSilenceSeconds: field(
    Type.Integer({ minimum: 1, maximum: 60, description: 'Longest silence of a candidate, in seconds; null clears' }),
    { isNullable: true, isRequired: false, column: 'max_silence_seconds', sqlType: 'integer', initial: null },
  ),
} as const;

type Fields`,
  ],
  [
    'prisma/schema.prisma',
    '  metadata             Json                @default("{}")\n',
    `  metadata             Json                @default("{}")
  maxSilenceSeconds    Int?                @map("max_silence_seconds")
`,
  ],
  ['CHANGELOG.md', '### Added\n', '### Added\n\n- `maxSilenceSeconds`: the longest silence of a candidate.\n'],
];
const migration = "SET LOCAL lock_timeout = '500ms';\nALTER TABLE agent ADD COLUMN max_silence_seconds integer;\n";

/** A built copy of this checkout with the field. */
async function releaseWithField(): Promise<string> {
  const folder = await makeFolder();
  for (const name of [...parts, 'CHANGELOG.md']) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, before, after] of edits) {
    const text = await readFile(join(folder, file), 'utf8');
    expect(text.split(before), file).toHaveLength(2);
    await writeFile(join(folder, file), text.replace(before, after));
  }
  await mkdir(join(folder, 'prisma', 'migrations', '3_max_silence'));
  await writeFile(join(folder, 'prisma', 'migrations', '3_max_silence', 'migration.sql'), migration);
  await run(['node', 'scripts/build.mjs', '--force'], folder);
  return folder;
}

async function run(command: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
  const program = startProcess(command, { cwd, env });
  const { code } = await program.exit;
  expect(code, `${program.stdout}${program.stderr}`).toBe(0);
}

test('a nullable integer field needs its entry, its column and its migration alone, and works on data written before it', async () => {
  const headers = { 'idempotency-key': 'before-the-field' };
  // One for each run of the scene.
  const agents: { id: string; key: string; kept: object }[] = [];
  for (let left = 5; left > 0; left -= 1) {
    const { id, key } = await newSubject(world, { duration: 30 });
    await world.patch(key, id, { duration: 45 });
    const kept = await world.patch(key, id, { duration: 50 }, { headers });
    agents.push({ id, key, kept: Object(kept.body) });
  }

  const cwd = await releaseWithField();
  const migrate = ['node', 'dist/migrate.js', '--server-role', inject('serverRole')];
  await run(migrate, cwd, { DATABASE_URL: world.ownerUrl });
  const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, NODE_ENV: 'production' };
  const [nextServer, oldServer] = [await startServer(env, { release: cwd }), await startServer(env)];
  await unlessTooSlow(async ({ timed }) => {
    const [next, old] = [callsOf(nextServer.origin, timed), callsOf(oldServer.origin, timed)];
    const { id = '', key = '', kept } = agents.pop() ?? {};

    // A version and a kept answer from before.
    const first = await next.call(key, `GET /agents/${id}/versions/1`);
    expect([first.status, first.body]).toMatchObject([200, { duration: 30, maxSilenceSeconds: null }]);
    const repeated = await next.patch(key, id, { duration: 50 }, { headers });
    expect([repeated.status, repeated.headers['idempotent-replayed']]).toEqual([200, 'true']);
    expect(repeated.body).toEqual({ ...kept, maxSilenceSeconds: null });

    // The field is set, cleared, validated and documented.
    const set = await next.patch(key, id, { maxSilenceSeconds: 20 });
    expect([set.status, set.headers['changed-fields'], set.headers['etag']]).toEqual([200, 'maxSilenceSeconds', '"4"']);
    expect(set.body).toMatchObject({ duration: 50, maxSilenceSeconds: 20 });
    const wrong = await next.patch(key, id, { maxSilenceSeconds: 61 });
    expect([wrong.status, Object(wrong.body).errors]).toMatchObject([
      400,
      [{ pointer: '#/maxSilenceSeconds', code: 'too_large', limit: 60 }],
    ]);
    const diff = await next.call(key, `GET /agents/${id}/versions/3/diff`);
    expect(diff.body).toMatchObject({ changes: [{ field: 'maxSilenceSeconds', before: null, after: 20 }] });

    // The release before changes another field meanwhile: the value of the new field stays in the row and in a restore.
    expect((await old.patch(key, id, { duration: 60 })).headers['etag']).toBe('"5"');
    expect((await next.call(key, `GET /agents/${id}`)).body).toMatchObject({ duration: 60, maxSilenceSeconds: 20 });
    const fifth = await next.call(key, `GET /agents/${id}/versions/5`);
    expect(fifth.body).toMatchObject({ duration: 60, maxSilenceSeconds: 20 });

    // A restore sets the field to its old value.
    const restored = await next.call(key, `POST /agents/${id}/versions/2/restore`);
    expect([restored.status, restored.headers['changed-fields']]).toEqual([200, 'duration, maxSilenceSeconds']);
    expect(restored.body).toMatchObject({ duration: 45, maxSilenceSeconds: null });
    expect(JSON.parse(await world.row(id))).toMatchObject({ version: 6, duration: 45, max_silence_seconds: null });
  });
});
