import { type AnyField, agentFields, fields } from './fields.ts';
import { limits } from './rules/metadata.ts';

/** The three states of each field in the body of a PATCH, as a Markdown table. */
const states = agentFields.map((name) => {
  const { isNullable, nullText = 'clears', valueText = 'replaces' }: AnyField = fields[name];
  return `| \`${name}\` | keeps | ${isNullable ? nullText : '400'} | ${valueText} |`;
});

/** Examples of merged metadata: stored, patch, result. */
const merges: readonly (readonly [object, object, object])[] = [
  [{ a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  [{ a: 1, b: 2 }, { a: 3 }, { a: 3, b: 2 }],
  [{ a: 1, b: 2 }, { a: null }, { b: 2 }],
  [{ a: 1 }, { b: null }, { a: 1 }],
  [{}, { a: { b: null } }, { a: {} }],
  [{ a: 1 }, {}, { a: 1 }],
  [{ a: { b: 1, c: 2 } }, { a: { b: null, d: 3 } }, { a: { c: 2, d: 3 } }],
  [{ a: { b: 1 } }, { a: 'text' }, { a: 'text' }],
  [{ a: 'text' }, { a: { b: null, c: 2 } }, { a: { c: 2 } }],
  [{ a: [1, 2] }, { a: [3, null] }, { a: [3, null] }],
];
const merged = merges.map((row) => `| ${row.map((value) => `\`${JSON.stringify(value)}\``).join(' | ')} |`);

/** What a PATCH does to each field and to metadata, as Markdown. */
export const patchInWords = `Absent, \`null\` and a value are three different things:

| field | absent | \`null\` | a value |
|---|---|---|---|
${states.join('\n')}

\`metadata\` is merged by JSON Merge Patch (RFC 7396): objects merge at every depth, \`null\` removes a key, every other
value, arrays included, replaces what is stored.

| stored | patch | result |
|---|---|---|
${merged.join('\n')}

The merged \`metadata\` has at most ${limits.bytes} bytes as JSON in UTF-8, ${limits.depth} levels (\`metadata\` itself is the first), and ${limits.keys} keys on all
levels together. If a patch would exceed a limit, nothing is changed, and the 400 tells the limit and the number that the patch
would reach. Metadata that already exceeds a limit may keep its size, but not grow. The server refuses integers beyond ±(2^53 − 1),
numbers of more than 40 characters when written without an exponent (\`5e-324\`), the key \`__proto__\`, and \`prototype\` inside
\`constructor\`.`;
