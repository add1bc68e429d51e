import type { Deadline } from '../http/deadline.ts';
import type { RequestSpan } from '../tracing/spans.ts';
import type { KeyOwner } from './api-key.ts';
import type { Lookup } from './lookup.statements.ts';
import type { FoundKey } from './row.schema.ts';

/** A request that has passed checks 2 to 7 (docs/contract.md#the-order-of-checks). */
interface Admitted {
  readonly keyId: string;
  readonly requestId: string;
  /** The client's address; null if a proxy passed on something else than an address. */
  readonly address: string | null;
  readonly admission: Admission;
  readonly span?: RequestSpan | undefined;
  readonly deadline: Deadline;
}

/** A request that acts for one company. */
export interface Caller extends Admitted {
  /** The only company whose rows the request may read or change. */
  readonly companyId: string;
}

/** A request that acts for one company, or for an integration as a whole. */
export interface OwnerCaller extends Admitted {
  readonly owner: KeyOwner;
}

/** How a request was admitted, and how that is checked again before it writes (docs/contract.md#authentication). */
export interface Admission {
  /** The time of the key's last lookup, in milliseconds on the clock of `performance.now()`. */
  lookedUpAt: number;
  /** The same in milliseconds of the database's clock, for statements that write (`isRecent`). */
  databaseTime: number;
  readonly lookup: Lookup;
  /**
   * Checks 2 to 4, 6 and 7 (docs/contract.md#the-order-of-checks).
   * @throws ApiError for the first that fails
   */
  readonly check: (key: FoundKey | undefined) => void;
}

/** The author of a change: the key of a request, or an operator at the command line. */
export type Author = Caller | { readonly operator: string };
