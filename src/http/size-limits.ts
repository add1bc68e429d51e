/** Maximum size of a body in bytes (docs/contract.md#the-body). */
export const maxBodyBytes = 262_144;

/** Maximum length of a webhook's URL in characters, which are ASCII (docs/contract.md#webhooks). */
export const maxUrlLength = 2_048;

/**
 * Maximum size of the request target and of the names and values of all headers together, in bytes
 * (docs/contract.md#sizes-and-connections).
 */
export const maxHeaderBytes = 16_384;

/**
 * Maximum number of header lines. Each takes some 80 bytes of memory beside its text, also while a head has arrived only in
 * part: with 200 lines and 16 KiB, such a head takes 33 KB.
 */
export const maxHeaders = 200;
