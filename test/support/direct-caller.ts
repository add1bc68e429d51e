import { randomUUID } from 'node:crypto';
import { Deadline } from '../../src/http/deadline.ts';
import { patience } from './time-limits.ts';

/** Of a key that is never looked up. */
export const lookup = {
  ...{ hash: '', formerHash: null, companyId: null, agentId: null, address: null, scope: undefined },
};

/**
 * The caller of a repository without a server: a request with the key of a company, because the database refuses unknown keys.
 * The lookup of its key never counts as too old.
 */
export const directCaller = ({ id, keyId }: { readonly id: string; readonly keyId: string }) => ({
  ...{ companyId: id, keyId, requestId: randomUUID(), address: null },
  deadline: new Deadline(performance.now(), patience),
  admission: { lookedUpAt: Number.POSITIVE_INFINITY, databaseTime: Number.POSITIVE_INFINITY, lookup, check: () => {} },
});

/** A deadline that comes no nearer, so that a test of its last second needs no fast machine. */
export class OneSecondLeft extends Deadline {
  override left(): number {
    return 1_000;
  }
}
