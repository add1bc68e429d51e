/** Maximum size of a body in bytes (docs/contract.md#the-body). */
export const maxBodyBytes = 262_144;

/**
 * Maximum size of the request target and of the names and values of all headers together, in bytes
 * (docs/contract.md#sizes-and-connections).
 */
export const maxHeaderBytes = 16_384;

/** Maximum number of header lines. Each takes some 80 bytes of memory beside its text. */
export const maxHeaders = 1_000;
