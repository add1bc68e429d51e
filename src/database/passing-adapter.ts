import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  type ArgType,
  ColumnTypeEnum,
  type SqlQuery,
  type SqlQueryable,
  type SqlResultSet,
} from '@prisma/driver-adapter-utils';
import { answerableTime } from '../http/stored-time.ts';

/**
 * Prisma's adapter, to which the values of a raw statement are passed directly. Prisma's client would write them as JSON twice
 * and parse them again on their way here, which for a batch of large agents takes longer than to make and to send them. The
 * client gets one text in their place, by which they are found again.
 *
 * In rows, times are `answerableTime`s: Prisma would make an invalid Date of the others. Lists of typed calls have only texts:
 * Prisma would refuse a whole page for one NULL, which SQL can store in a list.
 */
export class PassingAdapter extends PrismaPg {
  readonly #passed = new Map<string, unknown[]>();
  /** Random, and begins with U+0000, which requests and PostgreSQL refuse: no other value can be equal to it. */
  readonly #secret = `\u0000${randomUUID()}`;
  #count = 0;

  /**
   * Runs a statement through Prisma's client.
   * @param run gives the client its only parameter, which stands for all of the values
   */
  async passing<Result>(values: readonly unknown[], run: (parameter: string) => Promise<Result>): Promise<Result> {
    this.#count += 1;
    const parameter = `${this.#secret}${this.#count}`;
    const passed = [...values];
    this.#passed.set(parameter, passed);
    try {
      return await run(parameter);
    } finally {
      this.#passed.delete(parameter);
      // Prisma's log for debugging keeps the last 100 statements, also while it is off. With the values of large agents they
      // would take 20 MB, and have outlived young garbage when they are dropped.
      passed.length = 0;
    }
  }

  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = this.#exchanging(await super.connect());
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (level) => this.#exchanging(await startTransaction(level));
    return adapter;
  }

  #exchanging<Queryable extends SqlQueryable>(queryable: Queryable): Queryable {
    const queryRaw = queryable.queryRaw.bind(queryable);
    queryable.queryRaw = async (query) => {
      const exchanged = this.#exchanged(query);
      return readable(await queryRaw(exchanged), exchanged === query);
    };
    return queryable;
  }

  #exchanged(query: SqlQuery): SqlQuery {
    const [parameter] = query.args;
    const values = typeof parameter === 'string' ? this.#passed.get(parameter) : undefined;
    return values ? { ...query, args: values, argTypes: values.map(() => asItIs) } : query;
  }
}

/** Changes the rows in place, of which there can be many. */
function readable(result: SqlResultSet, isTyped: boolean): SqlResultSet {
  for (const [column, type] of result.columnTypes.entries()) {
    const isList = isTyped && type === ColumnTypeEnum.TextArray;
    const read = type === ColumnTypeEnum.DateTime ? readTime : isList ? readTexts : undefined;
    if (read) for (const row of result.rows) row[column] = read(row[column]);
  }
  return result;
}

const readTime = (value: unknown) => (typeof value === 'string' ? answerableTime(value) : value);

const readTexts = (value: unknown) => (Array.isArray(value) ? value.filter((text) => typeof text === 'string') : value);

/** Values of this type go to `pg` as they are. */
const asItIs: ArgType = { scalarType: 'unknown', arity: 'scalar' };
