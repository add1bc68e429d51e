import type { Database } from '../database/client.ts';
import { longRead } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import type { Statement } from '../database/statement.ts';
import { UnknownIdError } from '../errors.ts';
import { lowestId } from '../http/uuid.ts';
import {
  type AgentAtVersion,
  agentBatch,
  agentLines,
  auditLines,
  companyLine,
  grantLines,
  keyLines,
  type Listing,
  phoneNumberLines,
  versionLines,
  webhookEndpointLines,
} from './export.statements.ts';
import { lineRowSchema, nextAgentsRowSchema, versionLineRowSchema } from './row.schema.ts';
import { nextAgentsStatement } from './walk.statements.ts';

const linesOf = rowsOf(lineRowSchema);
const versionLinesOf = rowsOf(versionLineRowSchema);
const nextAgentsOf = rowsOf(nextAgentsRowSchema);

/**
 * Exports everything that belongs to a company. Yields JSON objects as text, without line feeds; `record` names the kind. In this
 * order: the company, its phone numbers, its grants, its keys and webhook endpoints without secrets, its agents (deleted ones
 * too; after each batch the versions of its agents), its audit entries. Reads a batch of a few megabytes at most when the one
 * before was consumed; there is no snapshot over all batches. Writes the audit entry `company.exported` before the first line.
 * @param operator the name for the audit entry
 * @throws UnknownIdError
 */
export async function* companyLines(database: Database, companyId: string, operator: string): AsyncGenerator<string> {
  const read = (statement: Statement) => longRead(database, (query) => query(statement));

  async function* listed(listing: Listing): AsyncGenerator<string> {
    for (let after: string | undefined = lowestId; after !== undefined; ) {
      const rows: { id: string; line: string }[] = linesOf(await read(listing(companyId, after)));
      for (const { line } of rows) yield line;
      after = rows.at(-1)?.id;
    }
  }

  async function* agents(): AsyncGenerator<string> {
    for (let after: string | null = lowestId; after !== null; ) {
      const [found] = nextAgentsOf(await read(nextAgentsStatement(companyId, after, agentBatch)));
      const { ids = [], next = null } = found ?? {};
      const rows = ids.length === 0 ? [] : versionLinesOf(await read(agentLines(ids)));
      for (const { line } of rows) yield line;
      yield* versions(rows);
      after = next;
    }
  }

  async function* versions(agents: readonly AgentAtVersion[]): AsyncGenerator<string> {
    if (agents.length === 0) return;
    for (let after: AgentAtVersion | undefined = { id: lowestId, version: 0 }; after; ) {
      const rows: (AgentAtVersion & { line: string })[] = versionLinesOf(await read(versionLines(agents, after)));
      for (const { line } of rows) yield line;
      after = rows.at(-1);
    }
  }

  const { prisma } = database;
  if (!(await prisma.company.findUnique({ where: { id: companyId } }))) throw new UnknownIdError('company', companyId);
  await prisma.auditEntry.create({ data: { action: 'company.exported', operator, companyId } });
  for (const lines of [companyLine, phoneNumberLines, grantLines, keyLines, webhookEndpointLines]) yield* listed(lines);
  yield* agents();
  yield* listed(auditLines);
}
