import { expect, test } from 'vitest';
import { changeSql, changeStatement } from '../../src/agents/write/statements.ts';
import type { Step } from '../../src/agents/write/step.ts';
import type { PreparedStatement } from '../../src/database/statement.ts';
import { connect } from '../support/connection.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** The two statements that can write a step: the one for several, and the one for a single step. */
const forms = {
  'among others': (step: Step, lookedUpAt: number) => ({
    text: changeSql,
    values: [[step.id], JSON.stringify([step]), lookedUpAt],
  }),
  alone: (step: Step, lookedUpAt: number) => changeStatement('withEvents', [step], lookedUpAt),
};

async function newStep() {
  const { id, companyId, keyId } = await newSubject(world, { metadata: { tier: 3 } });
  const before = await storedAgent(world, id);
  const snapshot = Object(before.history[0]?.snapshot);
  const content = { ...snapshot, duration: 31, questions: ['Why?'], metadata: { tier: 4 } };
  const author = { key: keyId, request: 'r-1', address: '192.0.2.1' };
  const updated = new Date(String(before.row.updated_at));
  const place = { id, company: companyId, read: 1, updated, step: 1, steps: 1 };
  // `questions` differ but are not in changedFields, so their stored value stays.
  return { ...place, content, changed: ['duration', 'metadata'], touched: ['metadata'], ...author, restored: 1 };
}

/** The stored row and history, without what differs between any two agents. */
async function stored(id: string) {
  const { row, history } = await storedAgent(world, id);
  const { id: _, company_id, created_at, updated_at, ...others } = row;
  const entries = history.map(({ keyId, createdAt, ...entry }) => ({
    ...entry,
    isLast: +createdAt === +new Date(String(updated_at)),
  }));
  return { others, entries };
}

test('the statement for one step writes the same row and history as the one for several', async () => {
  const results = [];
  for (const form of Object.values(forms)) {
    const step = await newStep();
    const { rows } = await world.sql.query(...forQuery(form(step, Number.POSITIVE_INFINITY)));
    expect(rows).toEqual([{ id: step.id, updatedAt: expect.any(String), hasEndpoint: false }]);
    results.push(await stored(step.id));
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[0]?.others).toMatchObject({ version: 2, duration: 31, metadata: { tier: 4 } });
  expect(results[0]?.others).not.toMatchObject({ questions: ['Why?'] });
  expect(results[0]?.entries).toHaveLength(2);
});

test.for(Object.entries(forms))(
  '%s: a step for another company’s agent, another version, another time, a deleted agent, a locked row or an old lookup writes nothing',
  async ([, form]) => {
    const elsewhere = (await newSubject(world)).companyId;
    const wrong: ((step: Step) => Partial<Step>)[] = [
      () => ({ company: elsewhere }),
      () => ({ read: 2 }),
      ({ updated }) => ({ updated: new Date(updated.getTime() + 1) }),
    ];
    for (const difference of wrong) {
      const step = await newStep();
      expect(
        (await world.sql.query(...forQuery(form({ ...step, ...difference(step) }, Number.POSITIVE_INFINITY)))).rows,
      ).toEqual([]);
      expect((await storedAgent(world, step.id)).history).toHaveLength(1);
    }
    const deleted = await newStep();
    await world.sql.query('UPDATE agent SET deleted_at = now() WHERE id = $1', [deleted.id]);
    expect((await world.sql.query(...forQuery(form(deleted, Number.POSITIVE_INFINITY)))).rows).toEqual([]);

    const locked = await newStep();
    const other = await connect(world.ownerUrl);
    await other.query('BEGIN');
    await other.query('SELECT FROM agent WHERE id = $1 FOR UPDATE', [locked.id]);
    expect((await world.sql.query(...forQuery(form(locked, Number.POSITIVE_INFINITY)))).rows).toEqual([]);
    await other.query('ROLLBACK');
    await other.end();
    expect((await storedAgent(world, locked.id)).history).toHaveLength(1);

    expect((await world.sql.query(...forQuery(form(locked, 1)))).rows).toEqual([
      { id: null, updatedAt: null, hasEndpoint: false },
    ]);
    expect((await storedAgent(world, locked.id)).history).toHaveLength(1);
  },
);

const forQuery = ({ text, values }: PreparedStatement): [string, unknown[]] => [text, [...values]];
