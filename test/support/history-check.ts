import { isDeepStrictEqual } from 'node:util';
import type { Fault } from '../../src/http/faults.ts';
import { type ExpectedChange, patched, restoredTo } from './expected-changes.ts';
import type { Answered, Asked, History, Recorded, Shown } from './history.ts';

/** The answer to one call in one state of the agent. */
type Expected =
  | { readonly status: 200; readonly shown: Shown; readonly changed: readonly string[]; readonly isChange: boolean }
  | { readonly status: 204 | 304 | 404 | 412 }
  | { readonly status: 400; readonly errors: readonly Fault[] };

/** The states of an agent, in order: version 1, 2 …; then its deletion. */
type States = readonly Shown[];

/**
 * Looks for an order of all calls in which each answer is as the contract says, and which keeps every call that had
 * ended before each call that began later. Versions order the changes; other calls are placed where they fit, each as
 * early as possible.
 * @returns what no order explains; nothing if there is one
 */
export function unexplained(history: History): string[] {
  const found: string[] = [];
  const changes = changesOf(history, found);
  const states = replay(history, changes, found);
  const deletion = deletionOf(history, states, found);
  const moves = deletion ? [...changes, deletion] : changes;
  found.push(...outOfOrder(moves));
  const placed = new Set(moves.map(({ requestId }) => requestId));
  const others = history.calls.filter(({ requestId, answered }) => !placed.has(requestId) && answered.status !== 503);
  return [...found, ...placeAll(others, moves, states)];
}

const isMade = ({ asked, answered }: Recorded) =>
  (asked.kind === 'patch' || asked.kind === 'restore') &&
  !asked.dryRun &&
  answered.status === 200 &&
  answered.changed.length > 0;

/** A call whose answer was lost may have been carried out at any time after it began. */
const isLost = ({ answered }: Recorded) => answered.status === 503 && !answered.isRefused;

const endOf = (call: Recorded) => (isLost(call) ? Number.POSITIVE_INFINITY : call.end);

/** The calls that made versions 2, 3 …; for a lost answer, the call that the stored history names. */
function changesOf({ calls, stored }: History, found: string[]): Recorded[] {
  const made = new Map<number, Recorded>();
  for (const call of calls.filter(isMade)) {
    const version = call.answered.status === 200 ? call.answered.shown.version : 0;
    const other = made.get(version);
    if (other) found.push(`version ${version} was answered to ${other.requestId} and to ${call.requestId}`);
    made.set(version, call);
  }
  const last = Math.max(1, ...made.keys(), ...stored.keys());
  const changes: Recorded[] = [];
  for (let version = 2; version <= last; version += 1) {
    const named = stored.get(version)?.requestId;
    const call = made.get(version) ?? calls.find((one) => one.requestId === named && isLost(one));
    if (!call) found.push(`nobody made version ${version}`);
    else if (call.requestId !== named)
      found.push(`version ${version} is stored as that of ${named}, not ${call.requestId}`);
    else if (changes.includes(call)) found.push(`${named} was carried out twice`);
    if (call) changes.push(call);
  }
  return changes;
}

/** The states that the contract gives for the changes in order. */
function replay({ first, stored }: History, changes: readonly Recorded[], found: string[]): States {
  const states = [first];
  for (const [at, call] of changes.entries()) {
    const expected = expectedIn(states, at + 1, call.asked);
    if (expected.status !== 200 || !expected.isChange) {
      found.push(`${call.requestId} made version ${at + 2}, but must be answered ${expected.status} there`);
      break;
    }
    const { updatedAt = '', snapshot = expected.shown.content } = stored.get(at + 2) ?? {};
    const shown = { ...expected.shown, updatedAt };
    if (!(updatedAt > (states.at(-1)?.updatedAt ?? '')))
      found.push(`version ${at + 2} is not younger than the one before`);
    if (!isLost(call) && !isAnswer(call.answered, { ...expected, shown }))
      found.push(tell(call, { ...expected, shown }));
    if (!isDeepStrictEqual(snapshot, shown.content))
      found.push(`version ${at + 2} is stored otherwise than it was answered`);
    states.push(shown);
  }
  return states;
}

/** The call that deleted the agent; of several with lost answers the earliest, which excludes the least. */
function deletionOf({ calls, isDeleted }: History, states: States, found: string[]): Recorded | undefined {
  const deletions = calls.filter(({ asked }) => asked.kind === 'delete').toSorted((a, b) => a.start - b.start);
  const acknowledged = deletions.filter(({ answered }) => answered.status === 204);
  if (acknowledged.length > 1) found.push(`it was deleted ${acknowledged.length} times`);
  const canBe = (call: Recorded) => expectedIn(states, states.length, call.asked).status === 204;
  const [deletion] = [...acknowledged, ...deletions.filter((call) => isLost(call) && canBe(call))];
  if (!isDeleted) {
    if (acknowledged.length > 0) found.push('its deletion was lost');
    return undefined;
  }
  if (!deletion) found.push('no call deleted the agent');
  else if (!canBe(deletion)) found.push(`${deletion.requestId} deleted it against its condition`);
  return deletion;
}

/** A change that had ended cannot come after one that began later. */
function outOfOrder(moves: readonly Recorded[]): string[] {
  let latest: Recorded | undefined;
  return moves.flatMap((call) => {
    const isBehind = latest !== undefined && endOf(call) < latest.start;
    const complaint = isBehind
      ? [`${call.requestId} was over when ${latest?.requestId} began, which came before it`]
      : [];
    if (!latest || call.start > latest.start) latest = call;
    return complaint;
  });
}

/** Places each call that changed nothing at the earliest state that explains it and that its times allow. */
function placeAll(calls: readonly Recorded[], moves: readonly Recorded[], states: States): string[] {
  const placed: { readonly end: number; readonly state: number }[] = [];
  return calls
    .toSorted((a, b) => a.end - b.end)
    .flatMap((call) => {
      const since = moves.findLastIndex((move) => endOf(move) < call.start) + 2;
      const before = placed.filter(({ end }) => end < call.start).map(({ state }) => state);
      const earliest = Math.max(since, ...before);
      const next = moves.findIndex((move) => move.start > call.end);
      const latest = next < 0 ? moves.length + 1 : next + 1;
      for (let state = earliest; state <= latest; state += 1) {
        if (!isAnswer(call.answered, expectedIn(states, state, call.asked))) continue;
        placed.push({ end: call.end, state });
        return [];
      }
      return [`${tell(call, expectedIn(states, earliest, call.asked))}, in versions ${earliest} to ${latest}`];
    });
}

/** @param state 1 for that of the first version; behind the last the agent is gone */
function expectedIn(states: States, state: number, asked: Asked): Expected {
  const now = states[state - 1];
  if (!now) return { status: 404 };
  const wanted = asked.kind === 'restore' && asked.version <= state ? states[asked.version - 1] : undefined;
  if (asked.kind === 'restore' && !wanted) return { status: 404 };
  if (asked.ifMatch !== undefined && asked.ifMatch !== state) return { status: 412 };
  if (asked.ifNoneMatch === state) return { status: asked.kind === 'read' ? 304 : 412 };
  if (asked.kind === 'delete') return { status: 204 };
  if (asked.kind === 'read') return { status: 200, shown: now, changed: [], isChange: false };
  const change =
    asked.kind === 'patch'
      ? patched(now.content, asked.patch)
      : restoredTo(now.content, wanted?.content ?? now.content);
  return expectedOf(change, now, asked.dryRun);
}

function expectedOf({ content, changed, faults }: ExpectedChange, now: Shown, dryRun: boolean): Expected {
  if (faults.length > 0) return { status: 400, errors: faults };
  const isChange = changed.length > 0 && !dryRun;
  return { status: 200, shown: { ...now, content, version: now.version + (isChange ? 1 : 0) }, changed, isChange };
}

function isAnswer(answered: Answered, expected: Expected): boolean {
  if (answered.status === 200 && expected.status === 200) {
    const isSame = isDeepStrictEqual(answered.changed.toSorted(), expected.changed.toSorted());
    return isSame && isDeepStrictEqual(answered.shown, expected.shown);
  }
  if (answered.status === 400 && expected.status === 400) return isDeepStrictEqual(answered.errors, expected.errors);
  return answered.status === expected.status;
}

const tell = ({ requestId, asked, answered }: Recorded, expected: Expected) =>
  `${requestId} asked ${JSON.stringify(asked)}, was answered ${JSON.stringify(answered)}, expected ${JSON.stringify(expected)}`;
