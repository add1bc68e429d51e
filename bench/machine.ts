import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { type Static, Type } from '@sinclair/typebox';

/** The version of an installed package. */
export function versionOf(name: string): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8'),
  );
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

const packages = ['fastify', '@prisma/client', '@prisma/adapter-pg', 'pg', 'express'];

/** The facts on which the numbers of a run depend. */
export const machineSchema = Type.Object({
  processor: Type.String(),
  cores: Type.Integer(),
  memoryGb: Type.Integer(),
  system: Type.String(),
  node: Type.String(),
  packages: Type.Record(Type.String(), Type.String()),
});
type Machine = Static<typeof machineSchema>;

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${distribution() ?? type()}, ${type()} ${release()}`,
    node: process.version,
    packages: Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
  };
}

/** The name of the Linux distribution. */
function distribution(): string | undefined {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
