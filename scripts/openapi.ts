// Writes openapi.json from the routes; no database is asked for it.
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { buildApp } from '../src/app.ts';
import { openDatabase } from '../src/database/client.ts';

const database = openDatabase({ url: 'postgresql://localhost', connections: 1 });
const app = await buildApp({ database, secret: '', migrations: [], logger: pino({ level: 'silent' }) });
await app.ready();
const file = new URL('../openapi.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(app.swagger(), undefined, 2)}\n`);
await app.close();
await database.close();
