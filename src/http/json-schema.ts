import { type Static, type TSchema, Type } from '@sinclair/typebox';

/** For schemas of objects: members that are not declared are refused. */
export const closed = { additionalProperties: false };

export const uuid = (description: string) => Type.String({ format: 'uuid', description });

/** A time in RFC 3339; Fastify's serializers write a Date in this form. */
export const timestamp = (description: string) => Type.Unsafe<Date>(Type.String({ format: 'date-time', description }));

/** A text that the database can store exactly; its length is in Unicode code points. */
export const text = (options: { minLength?: number; maxLength: number; pattern?: string; description: string }) =>
  Type.String({ ...options, storable: true });

// TypeBox's own `Type.Union` would make `anyOf` of the two below. With `anyOf` a wrong value has one fault for each
// alternative, generators of typed clients make several types, and the serializer refuses values of an older release.

/** One of some texts. */
export const oneOf = <const Names extends readonly string[]>(names: Names, description: string) =>
  Type.Unsafe<Names[number]>({ type: 'string', enum: names, description });

/** The same schema, accepting null too. */
export const nullable = <Schema extends TSchema>({ type, enum: names, ...rest }: Schema) =>
  Type.Unsafe<Static<Schema> | null>({ ...rest, type: [type, 'null'], ...(names && { enum: [...names, null] }) });

/** What a row of the database holds where it can be null; `nullable` is for schemas that clients see. */
export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

export const textOrNull = orNull(Type.String());

/** The schema of an answer without a body. Unlike that of `Type.Null()`, its type fits a call of `send()`. */
export const noBodySchema = Type.Unsafe<undefined>({ type: 'null' });
