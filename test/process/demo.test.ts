import { beforeAll, expect, test } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { curlsIn, paste } from '../support/curl.ts';
import { build, makeDataDir, startServer } from '../support/process.ts';

beforeAll(build);

/** A key as `key find` prints it. */
interface Key {
  readonly id: string;
  readonly companyId: string;
  readonly integrationId: string;
}

/** Starts a server, waits for the output about its demo, uses the demo and stops the server. */
async function withDemo<Result>(dataDir: string, use: (curls: readonly string[]) => Promise<Result>): Promise<Result> {
  const { server } = await startServer({ DATA_DIR: dataDir });
  const result = await use(curlsIn(server.stdout));
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  return result;
}

test('after the demo’s agent was deleted, the next start prints curl commands that work, with the same keys', async () => {
  const dataDir = await makeDataDir();
  const keys = await withDemo(dataDir, async (curls) => {
    const [, url = '', key = ''] = /'(http[^']+)'[\s\S]*Bearer (sk_\w{43})/.exec(curls[0] ?? '') ?? [];
    const { status } = await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${key}` } });
    expect(status).toBe(204);
    return curls.join().match(/sk_\w{43}/g);
  });
  await withDemo(dataDir, async (curls) => {
    expect(curls.join().match(/sk_\w{43}/g)).toEqual(keys);
    for (const curl of curls) expect(await paste(curl)).toMatchObject({ status: 200 });
  });
});

test('after one of the demo’s curl commands is refused, the next start prints curl commands that work', async () => {
  const dataDir = await makeDataDir();
  const admin = (...parameters: string[]) => adminWith({ DATA_DIR: dataDir }, ...parameters);
  const refusing: readonly ((companyKey: Key, atsKey: Key) => Promise<unknown>)[] = [
    ({ id }) => admin('key', 'revoke', '--key', id),
    ({ companyId }, { integrationId }) =>
      admin('integration', 'revoke', '--integration', integrationId, '--company', companyId),
  ];
  for (const refuse of refusing) {
    await withDemo(dataDir, async (curls) => {
      for (const curl of curls) expect(await paste(curl)).toMatchObject({ status: 200 });
      const [companyKey = '', atsKey = ''] = curls.join().match(/sk_\w{43}/g) ?? [];
      await refuse(await admin('key', 'find', '--key', companyKey), await admin('key', 'find', '--key', atsKey));
      const answers = await Promise.all(curls.map(paste));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    });
  }
  await withDemo(dataDir, async (curls) => {
    expect(curls).toHaveLength(2);
    for (const curl of curls) expect(await paste(curl)).toMatchObject({ status: 200 });
  });
});
