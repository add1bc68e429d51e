/** Maximum size of a body in bytes (docs/contract.md#the-body). */
export const maxBodyBytes = 262_144;

/** Maximum size of the request line and the headers together, in bytes (docs/contract.md#sizes-and-connections). */
export const maxHeaderBytes = 16_384;
