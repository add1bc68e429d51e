import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { aligned } from './report.ts';

/** The members of a profile by `node --cpu-prof` that are used here. */
const profileSchema = Type.Object({
  nodes: Type.Array(
    Type.Object({
      id: Type.Integer(),
      callFrame: Type.Object({ functionName: Type.String(), url: Type.String(), lineNumber: Type.Integer() }),
    }),
  ),
  /** The node of each sample, and the microseconds since the sample before. */
  samples: Type.Array(Type.Integer()),
  timeDeltas: Type.Array(Type.Integer()),
});
type Frame = Static<typeof profileSchema>['nodes'][number]['callFrame'];

/** The group of a function, by its file or, without a file, by its name. The first match counts. */
const groups: readonly (readonly [group: string, matches: (frame: Frame) => boolean])[] = [
  ['idle', named(/^\((idle|root)\)$/)],
  ['garbage collection', named(/^\(garbage collector\)$/)],
  [
    'start',
    inFile(
      /^node:internal\/(modules|bootstrap|deps|url|process\/esm)|node_modules\/(avvio|ajv|@fastify\/swagger|@sinclair)\//,
    ),
  ],
  ['Prisma', inFile(/@prisma|\/generated\/prisma\//)],
  ['pg', inFile(/node_modules\/pg/)],
  [
    'Fastify',
    inFile(/node_modules\/(@?fastify|find-my-way|fast-|secure-json|safe-regex|ret\/|toad-cache|process-warning)/),
  ],
  ['pino', inFile(/node_modules\/(pino|sonic|quick-format|safe-stable)/)],
  ['prom-client', inFile(/node_modules\/(prom-client|bintrees|tdigest)/)],
  ['other packages', inFile(/node_modules\//)],
  ['our code: authentication, limits, turns', inFile(/\/(dist|src)\/auth\//)],
  ['our code: HTTP, log lines, metrics', inFile(/\/(dist|src)\/(http|metrics|tracing|process)\//)],
  ['our code: agents', inFile(/\/(dist|src)\/agents\//)],
  ['our code: database', inFile(/\/(dist|src)\/(?!generated)/)],
  ['compiled schemas', ({ url, lineNumber }) => url === '' && lineNumber > 0],
  ['Node: HTTP, streams, sockets', inFile(/^node:(_http|_stream|internal\/(stream|js_stream|http)|net|http|events)/)],
  ['Node: timers, promises, crypto, other', inFile(/^node:/)],
  ['writing to sockets and files', named(/^(writev|write\w*)$/)],
  ['JSON', named(/^(parse|stringify)$/)],
  ['native code: reading, parsing HTTP, waiting for events', () => true],
];

function named(pattern: RegExp) {
  return ({ url, functionName }: Frame) => url === '' && pattern.test(functionName);
}

function inFile(pattern: RegExp) {
  return ({ url }: Frame) => pattern.test(url);
}

/** A column for each profile: the share of each group in its processor time, without startup and idle time. */
async function main(files: readonly string[]): Promise<void> {
  const profiles = await Promise.all(files.map(async (file) => sharesIn(await readFile(file, 'utf8'))));
  const rows = groups.map(([group]) => [
    group,
    ...profiles.map((shares) => `${((shares.get(group) ?? 0) * 100).toFixed(1)} %`),
  ]);
  const titles = files.map((file) => basename(file, '.cpuprofile'));
  console.log(aligned([['', ...titles], ...rows.filter(([group]) => group !== 'idle' && group !== 'start')]));
}

function sharesIn(json: string): Map<string, number> {
  const { nodes, samples, timeDeltas } = Value.Parse(profileSchema, JSON.parse(json));
  const groupOf = new Map(
    nodes.map(({ id, callFrame }) => [id, groups.find(([, matches]) => matches(callFrame))?.[0] ?? '']),
  );
  const times = new Map<string, number>();
  for (const [place, id] of samples.entries()) {
    const group = groupOf.get(id) ?? '';
    times.set(group, (times.get(group) ?? 0) + (timeDeltas[place] ?? 0));
  }
  for (const left of ['idle', 'start']) times.delete(left);
  const sum = [...times.values()].reduce((total, time) => total + time, 0);
  return new Map([...times].map(([group, time]) => [group, time / sum]));
}

await main(process.argv.slice(2));
