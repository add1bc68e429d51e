import { expect, test } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test.for([100, 30, 7])(
  'a client that follows hasNextPage through a list of more than 100,000 items meets no refusal, with %i on a page',
  async (limit) => {
    const { id, key } = await newSubject(world);
    // The history has one entry for each version, so its length is computed.
    const total = 100_001;
    await world.sql.query('UPDATE agent SET version = $2 WHERE id = $1', [id, total]);
    const line = `/agents/${id}/versions`;
    const pageAt = (page: number) => world.call(key, `GET ${line}?page=${page}&limit=${limit}`);
    const last = Math.floor(100_000 / limit);
    const pagination = { total, limit, totalPages: Math.ceil(total / limit), hasPreviousPage: true };
    expect((await pageAt(last - 1)).body).toMatchObject({
      pagination: { ...pagination, page: last - 1, hasNextPage: true },
    });
    expect((await pageAt(last)).body).toMatchObject({ pagination: { ...pagination, page: last, hasNextPage: false } });
    expectProblem(await pageAt(last + 1), {
      ...{ code: 'VALIDATION_FAILED', instance: line },
      errors: [{ in: 'query', parameter: 'page', code: 'too_large', detail: `must be at most ${last}`, limit: last }],
    });
  },
);
