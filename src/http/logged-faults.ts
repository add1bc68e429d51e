import type { Fault } from './faults.ts';

/** Faults that the line of a request shows at most, and steps of a pointer. */
const shown = 3;
const longestPointer = 4;

/** Where a fault is and what is wrong, without any value. */
type LoggedFault = Pick<Fault, 'in' | 'code' | 'pointer' | 'parameter'>;

/**
 * The first faults of a request for its line in the log. A name that no schema declares came from the client, who may have
 * put anything in it, and is shown as `*`.
 * @param declared names of all members and parameters that a request may have
 */
export function loggedFaults(faults: readonly Fault[], declared: ReadonlySet<string>): LoggedFault[] {
  const known = (name: string) => (declared.has(name) || /^\d{1,9}$/.test(name) ? name : '*');
  return faults.slice(0, shown).map(({ in: place, code, pointer, parameter }) => ({
    in: place,
    ...(pointer !== undefined && {
      pointer: [
        '#',
        ...pointer
          .split('/', longestPointer + 1)
          .slice(1)
          .map(known),
      ].join('/'),
    }),
    ...(parameter !== undefined && { parameter: known(parameter) }),
    code,
  }));
}
