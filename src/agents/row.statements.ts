import { type AgentField, agentFields, fields } from './fields.ts';

/** The members of an agent in a row and in a kept answer, each with its column. */
export const columns: readonly (readonly [member: string, column: string])[] = [
  ['id', 'id'],
  ['companyId', 'company_id'],
  ['version', 'version'],
  ['createdAt', 'created_at'],
  ['updatedAt', 'updated_at'],
  ...agentFields.map((name) => [name, fields[name].column] as const),
];

/** SQL for a row of `agent` as one JSON object: for many rows this is faster than separate columns. */
export const agentJson = (table: string) =>
  `json_build_object(${columns.map(([member, column]) => `'${member}', ${table}.${column}`).join(', ')})`;

/** The same as text, for `parseExact`: Prisma would parse JSON itself, and round what JavaScript cannot hold. */
export const agentText = (table: string) => `${agentJson(table)}::text`;

/** SQL for the value of one field in `content`, a jsonb document of all fields in their names on the wire. */
export function fieldOf(content: string, name: AgentField): string {
  const { sqlType } = fields[name];
  switch (sqlType) {
    case 'jsonb':
      return `${content}->'${name}'`;
    case 'text':
      return `${content}->>'${name}'`;
    case 'integer':
    case 'uuid':
      return `(${content}->>'${name}')::${sqlType}`;
  }
}
