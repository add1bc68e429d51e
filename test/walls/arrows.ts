import { importsOf, type Rule, type SourceFile } from './source.ts';

/** The layers, from the top down. A file imports from its own layer and those below it. */
const layers: readonly (readonly [layer: string, files: RegExp])[] = [
  ['programs', /^src\/(server|admin|migrate|process\/assemble)\.ts$/],
  ['app', /^src\/(app\.ts$|process\/(foundation|log-options)\.ts$|operator\/)/],
  [
    'routes and plugins',
    /\b(routes|openapi)\.ts$|^src\/(openapi\/(?!examples\.ts)|auth\/(authenticate|rate-limit-headers|concurrency-limits|handler-turns)\.ts$|http\/(?!(address|problems|problem-texts|particular-problems|json-fault|public-url|nearest-name|faults|webhook-complaints|header-fields|exact-numbers|json|json-pointer|json-schema|stored-time|entity-tag|idempotency-key|idempotency-key\.schema|pages|pages\.schema|uuid|size-limits|stackless-error|in-time|deadline|validation(-faults|-keywords)?)\.ts$))/,
  ],
  [
    'service',
    /^src\/(agents\/(service|answer)|webhooks\/(service|rules|worker|slots|outcome(-writer)?|health-log))\.ts$/,
  ],
  [
    'repositories',
    /\b(repository|statements)\.ts$|^src\/agents\/(write|history\/snapshot)\b|^src\/(auth\/(access|key-use|caller)|webhooks\/secrets)\.ts$/,
  ],
  ['database', /^src\/(database\/(?!url\.ts$)|embedded-postgres\/)/],
  ['rules and values', /^src\//],
];

const layerOf = (name: string) => layers.findIndex(([, files]) => files.test(name));
const nameOfLayer = (name: string) => layers[layerOf(name)]?.[0] ?? '';

const importing = (files: readonly SourceFile[], isBreach: (name: string, target: string) => boolean) =>
  files.flatMap((file) =>
    importsOf(file)
      .filter((target) => isBreach(file.name, target))
      .map((target) => `${file.name} imports ${target}`),
  );

/** Files that import each other, directly or indirectly: the strongly connected components of the imports (Tarjan). */
function cyclesIn(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map((file) => [file.name, importsOf(file)]));
  const order = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];

  /** Returns the earliest open file that can be reached. */
  function visit(name: string): number {
    const own = order.size;
    order.set(name, own);
    open.push(name);
    let earliest = own;
    for (const target of imports.get(name) ?? []) {
      if (!imports.has(target)) continue;
      if (!order.has(target)) earliest = Math.min(earliest, visit(target));
      else if (open.includes(target)) earliest = Math.min(earliest, order.get(target) ?? own);
    }
    if (earliest === own) {
      const component = open.splice(open.indexOf(name));
      if (component.length > 1 || imports.get(name)?.includes(name)) cycles.push(component.toSorted());
    }
    return earliest;
  }

  for (const name of imports.keys()) if (!order.has(name)) visit(name);
  return cycles;
}

/** The allowed imports. */
export const arrowRules: readonly Rule[] = [
  {
    says: `Arrows point down: ${layers.map(([layer]) => layer).join(' → ')}`,
    breaches: (files) =>
      importing(files, (name, target) => target.startsWith('src/') && layerOf(target) < layerOf(name)).map(
        (line) => `${line}, from ${line.split(' imports ').map(nameOfLayer).join(' up to ')}`,
      ),
    caught: [
      { 'src/database/server-role.ts': "import { agentRows } from '../agents/repository.ts';" },
      { 'src/agents/repository.ts': "import type { AgentService } from './service.ts';" },
      { 'src/agents/service.ts': "import { agentRoutes } from './routes.ts';" },
      { 'src/agents/rules/patch.ts': "import type { Statement } from '../../database/statement.ts';" },
      { 'src/agents/routes.ts': "import { buildApp } from '../app.ts';" },
      { 'src/app.ts': "const { stop } = await import('./server.ts');" },
    ],
    kept: [{ 'src/agents/service.ts': "import { applyPatch } from './rules/patch.ts';" }],
  },
  {
    says: 'No cycles of imports',
    breaches: (files) => cyclesIn(files).map((names) => names.join(' and ')),
    caught: [
      { 'src/a.ts': "import type { B } from './b.ts';", 'src/b.ts': "import { a } from './a.ts';" },
      {
        'src/a.ts': "import { b } from './b.ts';",
        'src/b.ts': "import { c } from './c/c.ts';",
        'src/c/c.ts': "import { a } from '../a.ts';",
      },
    ],
    kept: [
      {
        'src/a.ts': "import { b } from './b.ts';\nimport { c } from './c.ts';",
        'src/b.ts': "import { c } from './c.ts';",
        'src/c.ts': "import { d } from 'd';",
      },
    ],
  },
  {
    says: '`database/` imports nothing of agents, keys or companies',
    breaches: (files) =>
      importing(
        files,
        (name, target) => name.startsWith('src/database/') && /^src\/(agents|auth|companies|audit)\//.test(target),
      ),
    caught: [{ 'src/database/server-role.ts': "import { fields } from '../agents/fields.ts';" }],
    kept: [{ 'src/database/client.ts': "import { databaseUnavailable } from '../http/problems.ts';" }],
  },
  {
    says: '`agents/rules/` and `agents/write/fold.ts` are pure: no framework, no database, no SQL types',
    breaches: (files) =>
      importing(
        files,
        (name, target) =>
          /^src\/agents\/(rules\/|write\/fold\.ts$)/.test(name) &&
          /^(fastify|@fastify|pg$|@prisma)|^src\/(database|generated)\/|\b(statements|repository)\.ts$/.test(target),
      ),
    caught: [
      { 'src/agents/rules/patch.ts': "import type { FastifyRequest } from 'fastify';" },
      { 'src/agents/rules/diff.ts': "import pg from 'pg';" },
      { 'src/agents/write/fold.ts': "import type { Step } from './statements.ts';" },
    ],
    kept: [{ 'src/agents/rules/diff.ts': "import { fields } from '../fields.ts';" }],
  },
  {
    says: 'Only `http/`, `auth/`, `openapi/`, routes, `app.ts` and `server.ts` know the framework',
    breaches: (files) =>
      importing(
        files,
        (name, target) =>
          /^@?fastify/.test(target) &&
          !(
            /^src\/((http|auth|openapi)\/|(app|server)\.ts$)|\broutes\.ts$/.test(name) &&
            ['programs', 'app', 'routes and plugins'].includes(nameOfLayer(name))
          ),
      ),
    caught: [
      { 'src/agents/service.ts': "import type { FastifyRequest } from 'fastify';" },
      { 'src/http/json.ts': "import fp from 'fastify-plugin';" },
      { 'src/operator/keys.ts': "import fastify from 'fastify';" },
      { 'src/agents/openapi.ts': "import type { FastifySchema } from 'fastify';" },
    ],
    kept: [{ 'src/http/body.ts': "import fp from 'fastify-plugin';" }],
  },
  {
    says: 'Of `embedded-postgres/` others import `embedded.ts` alone',
    breaches: (files) =>
      importing(
        files,
        (name, target) =>
          !name.startsWith('src/embedded-postgres/') && /^src\/embedded-postgres\/(?!embedded\.ts$)/.test(target),
      ),
    caught: [{ 'test/process/a.test.ts': "import { homeOf } from '../../src/embedded-postgres/home.ts';" }],
    kept: [
      { 'src/process/foundation.ts': "import { openEmbedded } from '../embedded-postgres/embedded.ts';" },
      { 'src/embedded-postgres/embedded.ts': "import { homeOf } from './home.ts';" },
    ],
  },
];
