/** Who a request acts for, once steps 2 to 7 of the contract's order of checks have admitted it. */
export interface Caller {
  readonly keyId: string;
  /** The one company that the request may touch. */
  readonly companyId: string;
  readonly requestId: string;
}
