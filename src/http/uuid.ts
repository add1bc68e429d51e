/** The one form of an id, in path, query or body (docs/contract.md#fields): 8-4-4-4-12 hexadecimal digits, either case. */
export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lower than every id: where reading in the order of ids begins. */
export const lowestId = '00000000-0000-0000-0000-000000000000';

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuidPattern.test(value);
}
