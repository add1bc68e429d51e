import type { Deadline } from '../http/deadline.ts';
import type { KeyOwner } from './api-key.ts';
import type { FoundKey, Lookup } from './lookup.statements.ts';

/** How a request came in, once steps 2 to 7 of the contract's order of checks have admitted it. */
interface Admitted {
  readonly keyId: string;
  readonly requestId: string;
  /** Where the request came from; null when a proxy said something that is no address. */
  readonly address: string | null;
  readonly admission: Admission;
  /** When the request is answered at the latest. */
  readonly deadline: Deadline;
}

/** Who a request acts for: one company. */
export interface Caller extends Admitted {
  /** The one company that the request may touch. */
  readonly companyId: string;
}

/** Who a request acts for: one company, or an integration as a whole. */
export interface OwnerCaller extends Admitted {
  readonly owner: KeyOwner;
}

/** How a request was admitted, and how that is confirmed before it writes (docs/contract.md#authentication). */
export interface Admission {
  /** When the key was last looked up, in milliseconds as `performance.now()` counts. */
  lookedUpAt: number;
  /** The same in milliseconds of the database's clock, for statements that write (`isRecent`). */
  databaseTime: number;
  readonly lookup: Lookup;
  /**
   * Checks 2 to 4, 6 and 7 of the contract's section 1.
   * @throws ApiError for the first that fails
   */
  readonly check: (key: FoundKey | undefined) => void;
}

/** Who does something: a key in a request, or somebody at the operator's command line. */
export type Author = Caller | { readonly operator: string };
