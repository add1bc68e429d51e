import { describe, expect, test } from 'vitest';
import type { AgentContent } from '../../src/agents/fields.ts';
import type { AgentPatch } from '../../src/agents/schema.ts';
import { contentWith } from '../support/fields.ts';
import type { Answered, Asked, History, Recorded, Shown } from '../support/history.ts';
import { unexplained } from '../support/history-check.ts';

const blank = contentWith({ name: 'One', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 });

/** The agent at a version that was made in the given second. */
function shown(version: number, content: Partial<AgentContent> = {}): Shown {
  const updatedAt = `2026-11-25T10:00:0${version}.000Z`;
  return { version, content: { ...blank, ...content }, updatedAt, identity: 'the agent' };
}

const patch = (fields: AgentPatch): Asked => ({
  kind: 'patch',
  patch: fields,
  dryRun: false,
});
const rename = (name: string, conditions: Pick<Asked, 'ifMatch' | 'ifNoneMatch'> = {}): Asked => ({
  ...{ kind: 'patch', dryRun: false, ...conditions },
  patch: { name },
});
const changed = (version: number, name: string): Answered & { status: 200 } => ({
  status: 200,
  shown: shown(version, { name }),
  changed: ['name'],
});
const same = (version: number, name: string): Answered => ({
  status: 200,
  shown: shown(version, { name }),
  changed: [],
});
const lost: Answered = { status: 503, isRefused: false };

let calls = 0;
/** A call that began and ended at the given times. */
function call(start: number, end: number, asked: Asked, answered: Answered, requestId?: string): Recorded {
  calls += 1;
  return { requestId: requestId ?? `call-${calls}`, asked, answered, start, end };
}

/** @param makers the requests that made versions 2, 3 … */
function history(recorded: readonly Recorded[], makers: readonly string[], isDeleted = false): History {
  const entries = ['', ...makers].map((requestId, at) => {
    return [at + 1, { requestId, updatedAt: shown(at + 1).updatedAt }] as const;
  });
  return { first: shown(1), calls: recorded, stored: new Map(entries), isDeleted };
}

const two = call(0, 10, rename('Two'), changed(2, 'Two'), 'two');
const three = call(20, 30, rename('Three'), changed(3, 'Three'), 'three');
const both = ['two', 'three'];
const read = (start: number, end: number, answered: Answered) => call(start, end, { kind: 'read' }, answered);

describe('histories that an order of the calls explains', () => {
  const explained: Readonly<Record<string, History>> = {
    'two successive changes': history([two, three], both),
    'two concurrent changes, answered in the other order': history(
      [call(0, 50, rename('Two'), changed(2, 'Two'), 'two'), three],
      both,
    ),
    'reads during a change, with the state before and after it': history(
      [two, read(5, 6, same(1, 'One')), read(7, 8, same(2, 'Two'))],
      ['two'],
    ),
    'a change whose answer was lost, carried out much later': history(
      [call(0, 5, rename('Two'), lost, 'two'), read(6, 7, same(1, 'One')), three, read(40, 41, same(3, 'Three'))],
      both,
    ),
    'a change whose answer was lost, never carried out': history([call(0, 5, rename('Two'), lost, 'two')], []),
    'a precondition that failed at some time during the call': history(
      [two, three, call(5, 25, rename('X', { ifMatch: 2 }), { status: 412 })],
      both,
    ),
    'a deletion, and 404 afterwards': history(
      [two, call(11, 15, { kind: 'delete' }, { status: 204 }), call(16, 17, rename('X'), { status: 404 })],
      ['two'],
      true,
    ),
    'a deletion whose answer was lost': history(
      [two, call(11, 15, { kind: 'delete' }, lost), read(16, 17, same(2, 'Two')), read(18, 19, { status: 404 })],
      ['two'],
      true,
    ),
    'a restore': history(
      [
        two,
        call(
          ...([20, 30] as const),
          { kind: 'restore', version: 1, dryRun: false },
          { status: 200, shown: shown(3), changed: ['name'] },
          'three',
        ),
      ],
      both,
    ),
  };

  test.for(Object.entries(explained))('%s', ([, one]) => expect(unexplained(one)).toEqual([]));
});

describe('histories that no order of the calls explains', () => {
  const broken: Readonly<Record<string, History>> = {
    'two answers are exchanged': history(
      [
        call(0, 10, rename('Two'), changed(3, 'Three'), 'two'),
        call(20, 30, rename('Three'), changed(2, 'Two'), 'three'),
      ],
      both,
    ),
    'an acknowledged change is not stored': history([two, three], ['two']),
    'an acknowledged change is missing in the next version': history(
      [
        call(
          0,
          10,
          patch({ duration: 31 }),
          { status: 200, shown: shown(2, { duration: 31 }), changed: ['duration'] },
          'two',
        ),
        call(20, 30, patch({ name: 'X' }), { status: 200, shown: shown(3, { name: 'X' }), changed: ['name'] }, 'three'),
      ],
      both,
    ),
    'two calls were answered with one version': history([two, { ...three, answered: changed(2, 'Three') }], ['two']),
    'no call made a version': history([three], both),
    'a change whose answer was lost is carried out twice': history(
      [call(0, 5, rename('Two'), lost, 'two')],
      ['two', 'two'],
    ),
    'a refused change is carried out': history(
      [call(0, 5, rename('Two'), { status: 503, isRefused: true }, 'two')],
      ['two'],
    ),
    'the order of versions contradicts the times of the calls': history(
      [call(40, 50, rename('Two'), changed(2, 'Two'), 'two'), three],
      both,
    ),
    'a read is stale': history([two, read(11, 12, same(1, 'One'))], ['two']),
    'a read shows a change before it was requested': history([two, three, read(11, 12, same(3, 'Three'))], both),
    'a later read shows an earlier state': history(
      [call(0, 50, rename('Two'), changed(2, 'Two'), 'two'), read(5, 6, same(2, 'Two')), read(7, 8, same(1, 'One'))],
      ['two'],
    ),
    'an answer differs from its version': history([two, read(11, 12, same(2, 'Other'))], ['two']),
    'a precondition that holds is refused': history(
      [two, call(11, 12, rename('X', { ifMatch: 2 }), { status: 412 })],
      ['two'],
    ),
    'a change is carried out although its precondition fails': history(
      [{ ...two, asked: rename('Two', { ifMatch: 7 }) }],
      ['two'],
    ),
    'the changed fields of an answer are wrong': history(
      [two, { ...three, answered: { ...changed(3, 'Three'), changed: ['metadata'] } }],
      both,
    ),
    'an existing agent is answered 404': history([two, read(11, 12, { status: 404 })], ['two']),
    'a deleted agent is changed': history([two, call(11, 15, { kind: 'delete' }, { status: 204 }), three], both, true),
    'a deleted agent is read': history(
      [two, call(11, 15, { kind: 'delete' }, { status: 204 }), read(16, 17, same(2, 'Two'))],
      ['two'],
      true,
    ),
    'a deletion is lost': history([two, call(11, 15, { kind: 'delete' }, { status: 204 })], ['two']),
    'no call deleted the agent': history([two], ['two'], true),
    'a patch within the limits is refused': history([call(0, 10, rename('Two'), { status: 400, errors: [] })], []),
  };

  test.for(Object.entries(broken))('%s', ([, one]) => expect(unexplained(one)).not.toEqual([]));

  test('a stored version that differs from its answer is found', () => {
    const one = history([two], ['two']);
    const entry = { requestId: 'two', updatedAt: shown(2).updatedAt };
    expect(unexplained({ ...one, stored: new Map([[2, { ...entry, snapshot: { ...blank, name: 'Two' } }]]) })).toEqual(
      [],
    );
    const complaints = unexplained({ ...one, stored: new Map([[2, { ...entry, snapshot: blank }]]) });
    expect(complaints).toEqual(['version 2 is stored otherwise than it was answered']);
  });
});
