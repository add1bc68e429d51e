import fc from 'fast-check';
import { type AgentField, agentFields, record, type Value } from '../../../src/agents/fields.ts';
import type { AgentPatch } from '../../../src/agents/schema.ts';
import type { Json, JsonObject } from '../../../src/http/json.ts';
import { fieldRows } from '../../support/fields.ts';

/** A call on an agent. The versions that it names are chosen when it is sent, from those that its client knows. */
export interface Draft {
  readonly kind: 'read' | 'patch' | 'restore' | 'delete';
  readonly patch: AgentPatch;
  readonly dryRun: boolean;
  /** How many versions before the newest known one: in If-Match, in If-None-Match, and to restore. */
  readonly ifMatch: number | undefined;
  readonly ifNoneMatch: number | undefined;
  readonly back: number;
}

/** Few names and values, so that calls often conflict or repeat each other. */
const key = fc.constantFrom('a', 'b', 'c', 'd');
const leaf = fc.constantFrom<Json>(null, true, 1, 2, 'x', '', [], [1, { a: null }]);
const few = { maxKeys: 3, noNullPrototype: true };
const small: fc.Arbitrary<JsonObject> = fc.dictionary(key, fc.oneof(leaf, fc.dictionary(key, leaf, few)), few);
/** Two of these exceed the limit of keys together; one removes all keys of another. */
const large: fc.Arbitrary<JsonObject> = fc
  .tuple(fc.constantFrom('p', 'q', 'r'), fc.constantFrom(null, 1, 2))
  .map(([family, value]) => Object.fromEntries(Array.from({ length: 22 }, (_, at) => [`${family}${at}`, value])));

const maybe = <Value>(value: fc.Arbitrary<Value>, weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const sentAlone = agentFields.filter((name) => fieldRows[name] && fieldRows[name].good.length > 0);

/** Few values of each field that may be sent alone, so that calls often repeat each other. */
const someFields = record<{ [Name in AgentField]: fc.Arbitrary<Value<Name>> }>(sentAlone, (name) =>
  fc.constantFrom(...fieldRows[name].good.slice(0, 2), ...(fieldRows[name].isNullable ? [null] : [])),
);

/** @param number an active number of the company */
const patchOf = (number: string): fc.Arbitrary<AgentPatch> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ metadata: fc.oneof({ weight: 4, arbitrary: small }, large) }) },
    {
      weight: 4,
      arbitrary: fc.record({ ...someFields, metadata: small }, { requiredKeys: [] }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<AgentPatch>(
        { type: 'PHONE', companyPhoneNumberId: number },
        { type: 'ONLINE' },
        { companyPhoneNumberId: null },
        {},
      ),
    },
  );

/** @param number an active number of the company */
export const anyDraft = (number: string): fc.Arbitrary<Draft> =>
  fc.record({
    kind: fc.oneof(
      { weight: 300, arbitrary: fc.constant('patch' as const) },
      { weight: 125, arbitrary: fc.constant('restore' as const) },
      { weight: 100, arbitrary: fc.constant('read' as const) },
      { weight: 1, arbitrary: fc.constant('delete' as const) },
    ),
    patch: patchOf(number),
    dryRun: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    ifMatch: maybe(fc.nat(1), 3),
    ifNoneMatch: maybe(fc.nat(1), 6),
    // Below zero: a version that may not exist yet.
    back: fc.integer({ min: -2, max: 6 }),
  });
