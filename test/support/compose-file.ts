import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { expect } from 'vitest';
import { parse } from 'yaml';

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..');

const serviceSchema = Type.Object({
  image: Type.Optional(Type.String()),
  build: Type.Optional(Type.Union([Type.String(), Type.Object({ context: Type.String(), dockerfile: Type.String() })])),
  environment: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  command: Type.Optional(Type.Array(Type.String())),
  volumes: Type.Optional(Type.Array(Type.String())),
  ports: Type.Optional(Type.Array(Type.String())),
  networks: Type.Optional(Type.Unknown()),
  depends_on: Type.Optional(Type.Record(Type.String(), Type.Object({ condition: Type.String() }))),
  healthcheck: Type.Optional(Type.Object({ disable: Type.Optional(Type.Boolean()) })),
  stop_grace_period: Type.Optional(Type.String()),
  read_only: Type.Optional(Type.Boolean()),
  cap_drop: Type.Optional(Type.Array(Type.String())),
  security_opt: Type.Optional(Type.Array(Type.String())),
  mem_limit: Type.Optional(Type.String()),
});
const composeSchema = Type.Object({
  services: Type.Record(Type.String(), serviceSchema),
  networks: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  volumes: Type.Record(Type.String(), Type.Unknown()),
});

/** The value of every secret. */
export const secret = 'a'.repeat(64);

/** A Compose file as Compose reads it, with all secrets set, and variables with a default left out. */
export function compose(path: string) {
  const text = readFileSync(join(root, path), 'utf8');
  const filledIn = text.replace(/\$\{\w+:-\}/g, '""').replace(/\$\{\w+(:\?[^}]*)?\}/g, secret);
  expect(filledIn).not.toContain('${');
  const { services, networks = {}, volumes } = Value.Parse(composeSchema, parse(filledIn, { merge: true }));
  return {
    text,
    services: Object.entries(services),
    service: (name: string) => services[name] ?? {},
    networks,
    volumes,
  };
}
