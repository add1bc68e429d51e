/** The path and the query of a request target. The absolute form (RFC 9112, section 3.2.2) names the same path. */
export const pathAndQuery = (target = ''): string => target.replace(/^https?:\/\/[^/?#]*\/?/i, '/');
