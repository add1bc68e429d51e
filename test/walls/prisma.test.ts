import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { expect, test } from 'vitest';
import { loadEngine, withoutWaiting } from '../../src/database/schema-engine-binding.ts';

const read = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

test('Prisma has the names and versions that schema-engine-binding.ts expects; otherwise see "Upgrading Prisma" in CONTRIBUTING.md', async () => {
  const { dependencies, devDependencies } = await read('package.json');
  const engines = createRequire(import.meta.resolve('prisma/package.json')).resolve('@prisma/engines/package.json');
  const { '@prisma/engines-version': pinned } = (await read(engines)).dependencies;
  const others = ['@prisma/client', '@prisma/adapter-pg', '@prisma/driver-adapter-utils'];
  const names = Object.keys(bindings);
  const timers = names.filter((name) => /set(Timeout|Interval|Immediate)/.test(name));
  const [timer] = timers.filter((name) => name.startsWith('__wbg_setTimeout_'));
  const replaced: unknown = timer && new Map(Object.entries(withoutWaiting(bindings))).get(timer);
  const started: unknown = typeof replaced === 'function' ? replaced(() => {}, 1) : undefined;
  const engine: unknown = await loadEngine().catch(() => undefined);

  const expected: Record<string, boolean> = {
    'prisma and the packages @prisma/* have one version': others.every(
      (name) => dependencies[name] === devDependencies['prisma'],
    ),
    [`@prisma/schema-engine-wasm has the engine version that prisma pins, ${pinned}`]:
      dependencies['@prisma/schema-engine-wasm'] === pinned,
    'its bindings export __wbg_set_wasm': names.includes('__wbg_set_wasm'),
    'its WebAssembly, put together with its bindings, starts by __wbindgen_start': engine !== undefined,
    'its bindings start timers by one function alone, __wbg_setTimeout_*': timers.length === 1 && timer !== undefined,
    'a timer that it starts keeps no process running': Object(started)['hasRef']?.() === false,
  };
  const failed = Object.keys(expected).filter((sentence) => !expected[sentence]);
  expect(failed, 'this is no longer true of the installed Prisma').toEqual([]);
});
