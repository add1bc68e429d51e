/** A migration: the name of its folder, and its script. */
export interface Migration {
  readonly name: string;
  readonly script: string;
}

/** Milliseconds that a request waits for a lock. A migration must not hold one for longer. */
const requestWait = 1_000;

/** Statements whose lock blocks writes, or all requests. */
const lockingStatements = [
  // Without the storage parameters of a table: their lock blocks no request, and no request blocks it.
  /\bALTER TABLE (?:ONLY )?"?(\w+)"? (?!SET \()/g,
  /\bLOCK TABLE ((?:"?\w+"?(?:, )?)+)/g,
  /\bCREATE (?:OR REPLACE |CONSTRAINT )?TRIGGER [^;]*? ON "?(\w+)"?/g,
  /\bDROP TRIGGER [^;]*? ON "?(\w+)"?/g,
  /\bREFERENCES "?(\w+)"?/g,
  /\bDROP TABLE "?(\w+)"?/g,
  /\bTRUNCATE (?:TABLE )?"?(\w+)"?/g,
];

/**
 * Breaches of those rules of docs/upgrade.md ("What a migration must be like") that can be read from a script. A table
 * that a script creates itself is not used yet, so the rules do not apply to it.
 * @param migrations in order
 * @returns sentences, each with the name of its migration
 */
export function breachesIn(migrations: readonly Migration[]): string[] {
  const known = new Set<string>();
  return migrations.flatMap(({ name, script }) => {
    const sql = withoutTexts(script);
    const made = namesIn(sql, /\bCREATE TABLE (?:IF NOT EXISTS )?"?(\w+)"?/g);
    const inUse = (table: string) => known.has(table) && !made.includes(table);
    const breaches = [...indexBreaches(sql, inUse), ...lockBreaches(sql, inUse), ...rowBreaches(sql, inUse)];
    for (const table of made) known.add(table);
    return breaches.map((breach) => `${name}: ${breach}`);
  });
}

type InUse = (table: string) => boolean;

function indexBreaches(sql: string, inUse: InUse): string[] {
  const plain = namesIn(sql, /\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^;]*? ON "?(\w+)"?/g).filter(inUse);
  const dropped = namesIn(sql, /\bDROP INDEX (?!CONCURRENTLY)(?:IF EXISTS )?"?(\w+)"?/g);
  const strict = namesIn(sql, /\bDROP INDEX CONCURRENTLY (?!IF EXISTS)"?(\w+)"?/g);
  const isAlone = !/\bCONCURRENTLY\b/.test(sql) || statementsIn(sql).length === 1;
  return [
    ...plain.map((table) => `makes an index of ${table}, not CONCURRENTLY`),
    ...dropped.map((index) => `drops the index ${index}, not CONCURRENTLY`),
    ...strict.map((index) => `drops the index ${index} without IF EXISTS`),
    ...(isAlone ? [] : ['has more than the statement that is CONCURRENTLY']),
  ];
}

function lockBreaches(sql: string, inUse: InUse): string[] {
  const tables = lockingStatements.flatMap((statement) => namesIn(sql, statement)).filter(inUse);
  const locked = [...new Set(tables)].toSorted();
  const unvalidated = namesIn(
    sql,
    /\bALTER TABLE "?(\w+)"? ADD CONSTRAINT "?\w+"? (?:CHECK|FOREIGN KEY)(?![^;]*NOT VALID)/g,
  );
  const validated = namesIn(sql, /\bALTER TABLE "?(\w+)"? VALIDATE CONSTRAINT/g).filter(inUse);
  return [
    ...(locked.length > 0 ? timeoutBreaches(sql, locked) : []),
    ...orderBreaches(sql, inUse),
    ...unvalidated.filter(inUse).map((table) => `adds a constraint to ${table} without NOT VALID`),
    ...validated
      .filter((table) => new RegExp(`ALTER TABLE "?${table}"? ADD CONSTRAINT`).test(sql))
      .map((table) => `validates a constraint of ${table} in the script that adds it`),
  ];
}

function timeoutBreaches(sql: string, locked: readonly string[]): string[] {
  const limit = /^SET LOCAL lock_timeout = '(\d+)ms'$/.exec(statementsIn(sql)[0] ?? '')?.[1];
  if (limit === undefined) return [`locks ${locked.join(', ')} and does not begin with SET LOCAL lock_timeout`];
  const longest = Number(limit) * locked.length;
  return longest < requestWait
    ? []
    : [`waits for ${locked.join(', ')} up to ${longest} ms, longer than a request may wait`];
}

/** A change locks its agent and then the history. A script that locks them in the other order can deadlock with it. */
function orderBreaches(sql: string, inUse: InUse): string[] {
  const places = (table: string) =>
    lockingStatements.flatMap((statement) =>
      [...sql.matchAll(statement)].flatMap(({ index, 0: text, 1: names = '' }) =>
        names.replaceAll('"', '').split(', ').includes(table) ? [index + text.indexOf(table)] : [],
      ),
    );
  const isLate = inUse('agent') && Math.min(...places('agent_version')) < Math.min(...places('agent'));
  return isLate && places('agent').length > 0 ? ['locks agent_version before agent'] : [];
}

function rowBreaches(sql: string, inUse: InUse): string[] {
  const filled = statementsIn(sql).flatMap((statement) =>
    namesIn(statement, /^(?:UPDATE|DELETE FROM) (?:ONLY )?"?(\w+)"?/g),
  );
  return filled.filter(inUse).map((table) => `changes the rows of ${table}`);
}

/** A script on one line, without comments, function bodies and texts. The content of a DO block stays. */
function withoutTexts(script: string): string {
  return script
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\bDO \$\$([\s\S]*?)\$\$/g, '$1')
    .replaceAll(/\$(\w*)\$[\s\S]*?\$\1\$/g, '$$$$')
    .replaceAll(/\s+/g, ' ');
}

const statementsIn = (sql: string) =>
  sql
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

/** The captures of a pattern: names, one or several separated by commas. */
const namesIn = (sql: string, pattern: RegExp): string[] =>
  [...sql.matchAll(pattern)].flatMap(([, names = '']) =>
    names
      .replaceAll('"', '')
      .split(', ')
      .filter((name) => name !== ''),
  );
