import type { Fault } from './faults.ts';

/** Maximum number of faults in a log line, and of segments of a pointer. */
const maxFaults = 3;
const maxSegments = 4;

/** A place in a list, of which the longest has 50. A longer number may be a name that identifies a person. */
const isPlace = /^(?:0|[1-9]\d?)$/;

/** The place and the code of a fault, without any value. */
type LoggedFault = Pick<Fault, 'in' | 'code' | 'pointer' | 'parameter'>;

/**
 * The first faults of a request for its log line. A name that no schema declares is shown as `*`: it comes from the client
 * and may contain personal data or a secret.
 * @param declared names of all members and parameters that a request may have
 */
export function loggedFaults(faults: readonly Fault[], declared: ReadonlySet<string>): LoggedFault[] {
  const known = (name: string) => (declared.has(name) ? name : '*');
  const knownPart = (pointer: string) => {
    const [root, ...names] = pointer.split('/', maxSegments + 1);
    return [root, ...names.map((name) => (isPlace.test(name) ? name : known(name)))].join('/');
  };
  return faults.slice(0, maxFaults).map(({ in: place, code, pointer, parameter }) => ({
    in: place,
    ...(pointer !== undefined && { pointer: knownPart(pointer) }),
    ...(parameter !== undefined && { parameter: known(parameter) }),
    code,
  }));
}
