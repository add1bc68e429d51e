/** Node's options under which a program runs `code` before its own. */
export const importing = (code: string) => `--import=data:text/javascript,${encodeURIComponent(code)}`;
