import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox';

/** The maximum of `page` × `limit`. */
export const deepest = 100_000;

/** The items on a page if the query has no `limit`. */
export const usualLimit = 20;

/** The schema of the query of a list: `page`, `limit` and further parameters. */
export const pagedQuery = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(
    {
      ...properties,
      page: Type.Optional(
        Type.Integer({
          ...{ minimum: 1, maximum: deepest, default: 1 },
          description: `Page, from 1 on; page × limit is at most ${deepest}`,
        }),
      ),
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, default: usualLimit, description: 'Items on a page' }),
      ),
    },
    { additionalProperties: false, deepest },
  );

const paginationSchema = Type.Object(
  {
    total: Type.Integer({ description: 'Items on all pages' }),
    page: Type.Integer(),
    limit: Type.Integer(),
    totalPages: Type.Integer(),
    hasNextPage: Type.Boolean(),
    hasPreviousPage: Type.Boolean(),
  },
  { $id: 'Pagination' },
);
export type Pagination = Static<typeof paginationSchema>;

/** One page of a list. @param $id its name in the OpenAPI document */
export const pageOf = <Item extends TSchema>(item: Item, $id: string) =>
  Type.Object({ data: Type.Array(item), pagination: paginationSchema }, { $id });
