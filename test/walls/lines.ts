import { codeOf, type Project, type Rule } from './source.ts';

interface LineRule {
  readonly says: string;
  /** The pattern that the code of a file, lines and all, may match only in these rooms. */
  readonly pattern: RegExp;
  readonly rooms: RegExp;
  /** Code that the rule must report outside these rooms. */
  readonly caught: readonly string[];
  /** A file of these rooms, in which the same code is allowed. */
  readonly room: string;
  /** A file outside these rooms that is named like one of them. */
  readonly neighbour?: string;
}

/** A file outside all rooms. */
const stray = 'src/agents/stray.ts';
const alone = (name: string, code: string): Project => ({ [name]: code });
const inComment = (code: string) => code.replaceAll(/^/gm, '// ');

function lineRule({ says, pattern, rooms, caught, room, neighbour = stray }: LineRule): Rule {
  return {
    says,
    breaches: (files) =>
      files
        .filter(({ name }) => !rooms.test(name))
        .flatMap(({ name, lines }) => {
          const code = lines.map(codeOf).join('\n');
          return [...code.matchAll(new RegExp(pattern, 'g'))].map(({ index }) => {
            const before = code.slice(0, index).split('\n').length;
            return `${name}:${before} ${lines[before - 1]?.trim()}`;
          });
        }),
    caught: caught.flatMap((code) => [stray, neighbour].map((name) => alone(name, code))),
    kept: caught.flatMap((code) => [alone(room, code), alone(stray, inComment(code))]),
  };
}

const statements = String.raw`(statements|repository)\.ts$`;

/** Patterns that lines may match only in some rooms. */
export const lineRules: readonly Rule[] = [
  lineRule({
    says: '`process.env`, `process.on`, `listen`',
    pattern: /\bprocess\.(env|on|once)\b|\.listen\(/,
    rooms: /^src\/(server|admin|migrate|embedded-postgres\/(embedded|postmaster))\.ts$/,
    caught: ["const url = process.env['URL'];", "process.on('SIGTERM', stop);", 'await app.listen({ port });'],
    room: 'src/server.ts',
  }),
  lineRule({
    says: '`.register(`',
    pattern: /\.register\(/,
    rooms: /^src\/app\.ts$|\broutes\.ts$/,
    caught: ['await app.register(agentRoutes);'],
    room: 'src/app.ts',
  }),
  lineRule({
    says: '`fp(`, `decorate`, `addHook`',
    pattern: /\bfp\(|\.decorate\w*\(|\.addHook\(/,
    rooms: /^src\/(http|auth|openapi)\//,
    caught: ['export const body = fp(async (app) => {', "app.decorateRequest('caller');", "app.addHook('onRoute', f);"],
    room: 'src/auth/authenticate.ts',
  }),
  lineRule({
    says: '`Type.`',
    pattern: /\bType\.[A-Z]/,
    rooms: /[./]schema\.ts$|^src\/(agents\/fields|config|http\/(json-schema|problems|faults))\.ts$/,
    caught: ['const id = Type.String();'],
    room: 'src/agents/request.schema.ts',
    neighbour: 'src/agents/json-schema.ts',
  }),
  lineRule({
    says: 'SQL',
    pattern:
      /\b(SELECT|INSERT INTO|UPDATE [a-z]|DELETE FROM|(ALTER|DROP|CREATE) [A-Z]|GRANT |json_build_object)\b|->>?'|::(uuid|text|int|integer|jsonb?)\b/,
    rooms: new RegExp(String.raw`\b${statements}|^src/(database|embedded-postgres)/`),
    caught: [
      'const sql = `SELECT id FROM agent`;',
      'sql`INSERT INTO agent (id) VALUES (1)`;',
      "const name = `snapshot->>'name'`;",
      "const row = `json_build_object('id', id)`;",
      'const cast = `id::uuid`;',
    ],
    room: 'src/agents/statements.ts',
  }),
  lineRule({
    says: 'Prisma, `companyId` in a `where`',
    pattern: /generated\/prisma|'@prisma\/|where: \{[^}]*companyId/,
    rooms: /\brepository\.ts$|^src\/database\//,
    caught: [
      "import { Prisma } from '../generated/prisma/client.ts';",
      "import { PrismaPg } from '@prisma/adapter-pg';",
      'await prisma.agent.findMany({ where: { id, companyId } });',
      'await prisma.agent.findMany({\n  where: {\n    id,\n    companyId,\n  },\n});',
    ],
    room: 'src/companies/repository.ts',
  }),
  lineRule({
    says: '`$1`, the number of a parameter',
    pattern: /\$[1-9]\b(?!')/,
    rooms: /\brepository\.ts$|^src\/(database|embedded-postgres|agents\/write)\/|^src\/auth\/lookup\.statements\.ts$/,
    caught: ['const byId = `SELECT FROM agent WHERE id = $1`;'],
    room: 'src/audit/repository.ts',
  }),
  lineRule({
    says: '`…Sql`, the text of a statement without the values of its parameters',
    // Values in another file can disagree with the text without notice.
    pattern: /\b[a-z]\w*Sql\b/,
    rooms: /\bstatements\.ts$/,
    caught: ['await query(findSql, [id]);', "import { findSql } from './write/find.statements.ts';"],
    room: 'src/agents/write/find.statements.ts',
  }),
  lineRule({
    says: 'the text of a problem or of a fault',
    pattern: /\b(detail|malformed)(:|\()\s*['"`]|\bcomplaintOf\(/,
    rooms: /^src\/http\/(problems|problem-texts|faults|webhook-complaints)\.ts$/,
    caught: [
      "throw new ApiError('MALFORMED_BODY', { detail: 'It is not JSON.' });",
      "return malformed('Send HTTP/1.1.');",
      'const fault = { code, detail: `at most 5` };',
      "return complaintOf('required', 'is required');",
    ],
    room: 'src/http/problem-texts.ts',
  }),
  lineRule({
    says: 'the library of Redis',
    pattern: /'ioredis'/,
    rooms: /^src\/auth\//,
    caught: ["import { Redis } from 'ioredis';"],
    room: 'src/auth/shared-counters.ts',
  }),
  lineRule({
    says: 'the library of metrics',
    pattern: /'prom-client'/,
    rooms: /^src\/metrics\//,
    caught: ["import { Registry } from 'prom-client';"],
    room: 'src/metrics/prometheus.ts',
  }),
  lineRule({
    says: 'the library of traces',
    pattern: /'@opentelemetry\//,
    rooms: /^src\/tracing\//,
    caught: ["import { trace } from '@opentelemetry/api';"],
    room: 'src/tracing/spans.ts',
  }),
];
