import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { SchemaEngine } from '@prisma/schema-engine-wasm';
import { StartError } from '../errors.ts';

/*
 * The only file that depends on internals of @prisma/schema-engine-wasm. The package imports its WebAssembly as a module,
 * which Node 20 cannot do, so this file loads the two parts. `test/walls/prisma.test.ts` fails where
 * an upgrade changes one of these names; CONTRIBUTING.md says how Prisma is upgraded.
 */

/** TypeScript declares WebAssembly only together with a browser. */
declare const WebAssembly: {
  instantiate(
    program: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ readonly instance: { readonly exports: { __wbindgen_start(): void } } }>;
};

let loaded: Promise<typeof SchemaEngine> | undefined;

/**
 * The class of Prisma's schema engine; compiled once per process.
 * @throws StartError when the package is not what this file expects
 */
export function loadEngine(): Promise<typeof SchemaEngine> {
  loaded ??= instantiate();
  return loaded;
}

async function instantiate(): Promise<typeof SchemaEngine> {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const program = await readFile(script.replace(/\.js$/, '.wasm'));
  const imports = { './schema_engine_bg.js': withoutWaiting(bindings) };
  const { instance } = await WebAssembly.instantiate(program, imports);
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine;
}

/**
 * The engine starts a timer of ten seconds for its lock and never clears it: the process would not end before. So the
 * binding by which the engine starts timers is replaced by one whose timers keep no process running.
 * @param bindings the exports of `schema_engine_bg.js`
 * @returns the same with that one replaced
 * @throws StartError when there is not exactly one such binding
 */
export function withoutWaiting(bindings: object): object {
  const names = Object.keys(bindings).filter((key) => key.startsWith('__wbg_setTimeout_'));
  if (names.length !== 1) {
    throw new StartError(
      `@prisma/schema-engine-wasm has ${names.length} bindings for setTimeout where ` +
        'schema-engine-binding.ts expects one: see "Upgrading Prisma" in CONTRIBUTING.md',
    );
  }
  const setTimer = (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds).unref();
  return { ...bindings, [String(names[0])]: setTimer };
}
