import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';
import type { FastifyInstance } from 'fastify';
import { textOf, withNumbers } from './exact-numbers.ts';
import { isRecord } from './json.ts';

const compile = SerializerSelector()();

type Compiler = Parameters<FastifyInstance['setSerializerCompiler']>[0];

/** Stands for a value whose text is put in afterwards. No answer can hold this key. */
const placeholder = { '\u0000': 0 };
const placeholderText = JSON.stringify(placeholder);

/**
 * Fastify's own serializers, for answers that hold what `parseExact` has read. Problems are written as they are, since they
 * repeat what a client sent. A member that is an object of any members, such as metadata, is written by `textOf`, which may
 * know its text already.
 */
export const exactSerializer: Compiler = ({ schema, method, url, httpStatus }) => {
  const write = writerOf({ schema, method, url, httpStatus: httpStatus ?? '' });
  if (httpStatus?.startsWith('2') === false) return write;
  const open = openMemberOf(schema);
  if (open === undefined) return (answer) => withNumbers(write(answer));
  return (answer) => {
    const [before = '', after = ''] = write({ ...answer, [open]: placeholder }).split(placeholderText);
    return `${withNumbers(before)}${textOf(answer[open])}${withNumbers(after)}`;
  };
};

/** Fastify's serializers by their schemas, which routes share, as GET and HEAD do: to compile one takes milliseconds. */
const writers = new WeakMap<object, ReturnType<typeof compile>>();

function writerOf(part: Parameters<typeof compile>[0]): ReturnType<typeof compile> {
  const key = isRecord(part.schema) ? part.schema : {};
  const known = writers.get(key);
  if (known) return known;
  const write = compile(part);
  writers.set(key, write);
  return write;
}

/** The only member of a schema that is an object of any members; undefined if there is none, or several. */
function openMemberOf(schema: unknown): string | undefined {
  const members = isRecord(schema) && isRecord(schema['properties']) ? Object.entries(schema['properties']) : [];
  const open = members.filter(
    ([, member]) => isRecord(member) && member['type'] === 'object' && member['additionalProperties'] === true,
  );
  return open.length === 1 ? open[0]?.[0] : undefined;
}
