import type { Database } from '../database/client.ts';
import { longTransaction } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import { run, type Statement } from '../database/statement.ts';
import { UnknownIdError } from '../unknown-id.ts';
import {
  agentBatch,
  agentLines,
  auditLines,
  companyLine,
  keyLines,
  type Listing,
  type Place,
  phoneNumberLines,
  versionLines,
} from './export.statements.ts';
import { lineRowSchema, nextAgentsRowSchema, versionLineRowSchema } from './row.schema.ts';
import { lowestId, nextAgentsStatement } from './walk.statements.ts';

export type CompanyExport = ReturnType<typeof companyExport>;

const linesOf = rowsOf(lineRowSchema);
const versionLinesOf = rowsOf(versionLineRowSchema);
const nextAgentsOf = rowsOf(nextAgentsRowSchema);

/**
 * Exports companies: all that belongs to one, as lines of JSON.
 * @param operator who does it, for the trail
 */
export function companyExport(database: Database, operator: string) {
  const read = (statement: Statement) => longTransaction(database, (query) => run<unknown>(query, statement));

  async function* listed(companyId: string, listing: Listing): AsyncGenerator<string> {
    for (let after: string | undefined = lowestId; after !== undefined; ) {
      const rows: { id: string; line: string }[] = linesOf(await read(listing(companyId, after)));
      for (const { line } of rows) yield line;
      after = rows.at(-1)?.id;
    }
  }

  async function* agents(companyId: string): AsyncGenerator<string> {
    for (let after: string | null = lowestId; after !== null; ) {
      const [found] = nextAgentsOf(await read(nextAgentsStatement(companyId, after, agentBatch)));
      const { ids = [], next = null } = found ?? {};
      const rows = ids.length === 0 ? [] : versionLinesOf(await read(agentLines(ids)));
      for (const { line } of rows) yield line;
      yield* versions(rows);
      after = next;
    }
  }

  async function* versions(agents: readonly Place[]): AsyncGenerator<string> {
    if (agents.length === 0) return;
    for (let after: Place | undefined = { id: lowestId, version: 0 }; after; ) {
      const rows: (Place & { line: string })[] = versionLinesOf(await read(versionLines(agents, after)));
      for (const { line } of rows) yield line;
      after = rows.at(-1);
    }
  }

  return {
    /**
     * All of a company, each line a JSON object whose `record` says what it is: the company, its phone numbers, its keys
     * without secrets, agents, deleted ones included, each batch of them followed by all of their versions, and the entries
     * of the audit trail. Reads the next batch, of a few megabytes at most, when the last one was taken. Each batch is as
     * it was when it was read. The export is in the trail as `company.exported` before its first line.
     * @throws UnknownIdError
     */
    async *lines(companyId: string): AsyncGenerator<string> {
      const { prisma } = database;
      if (!(await prisma.company.findUnique({ where: { id: companyId } })))
        throw new UnknownIdError('company', companyId);
      await prisma.auditEntry.create({ data: { action: 'company.exported', operator, companyId } });
      yield* listed(companyId, companyLine);
      yield* listed(companyId, phoneNumberLines);
      yield* listed(companyId, keyLines);
      yield* agents(companyId);
      yield* listed(companyId, auditLines);
    },
  };
}
