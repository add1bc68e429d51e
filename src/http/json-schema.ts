import { type Static, type TSchema, Type } from '@sinclair/typebox';

// TypeBox writes each of these as `anyOf`, of which one wrong value has several faults, which generators of typed clients
// turn into several types, and whose serializer refuses a value of an older release. Hence `Type.Unsafe`.

/** One of some texts. */
export const oneOf = <const Names extends readonly string[]>(names: Names, description: string) =>
  Type.Unsafe<Names[number]>({ type: 'string', enum: names, description });

/** The same schema, accepting null too. */
export const nullable = <Schema extends TSchema>({ type, enum: names, ...rest }: Schema) =>
  Type.Unsafe<Static<Schema> | null>({ ...rest, type: [type, 'null'], ...(names && { enum: [...names, null] }) });

/** Of an answer without a body. TypeBox has null as a value, but nothing whose type is that of `send()`. */
export const noBodySchema = Type.Unsafe<undefined>({ type: 'null' });
