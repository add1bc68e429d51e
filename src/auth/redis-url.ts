const expected =
  'REDIS_URL must be a URL redis://user:password@host:port, with /0 or another number of a database behind it';

/** Whether `ioredis` can take the URL apart: otherwise it would throw an error that shows the whole URL. */
function isReadable(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password, pathname, hash } = new URL(url);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return hash === '' && /^(\/\d{0,9})?$/.test(pathname);
}

/**
 * Finds what is wrong with REDIS_URL. Of its parameters only `family` is supported: `ioredis` would accept every option of its
 * own there, before ours, such as the time that a request waits.
 * @returns sentences, never with values, as any part may be a secret
 */
export function redisUrlFaults(url: string): string[] {
  if (!isReadable(url)) return [expected];
  return [...new URL(url).searchParams].flatMap(([name, value]) => {
    if (name !== 'family') return [`${name} in REDIS_URL is not supported`];
    return ['0', '4', '6'].includes(value) ? [] : ['family in REDIS_URL must be one of 0, 4, 6'];
  });
}
