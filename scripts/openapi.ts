// Writes openapi.json from the routes, without a database.
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { buildApp } from '../src/app.ts';
import { openDatabase } from '../src/database/client.ts';

const database = openDatabase({ url: 'postgresql://localhost', connections: 1 });
const app = await buildApp({ database, secret: '', migrations: [], logger: pino({ level: 'silent' }) });
await app.ready();
const file = new URL('../openapi.json', import.meta.url);
writeFileSync(file, `${lines(app.swagger())}\n`);
await app.close();
await database.close();

/** JSON with a line for each operation, schema, response and example: small, and with readable diffs. */
function lines(value: unknown, depth = 0): string {
  if (depth === 3 || typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const indent = ' '.repeat(depth);
  const members = Object.entries(value).map(([name, member]) => `${indent} "${name}": ${lines(member, depth + 1)}`);
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
}
