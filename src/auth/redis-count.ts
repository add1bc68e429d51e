import type { Redis, Result } from 'ioredis';
import { type Counted, type Limit, lengths } from './counters.ts';

/**
 * A Lua script that counts in all windows or in none, by the clock of Redis. A window is a hash with `used` and `ends`, its
 * end in milliseconds since 1970, at which it expires. One that ends later than a new one would is from before the clock was
 * set back, and is replaced.
 * @returns 1 if it was counted, else 0; the current time; then `used` and `ends` of each window
 */
const countInAll = `
local clock = redis.call('time')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local result = {1, now}
for at, key in ipairs(KEYS) do
  local found = redis.call('hmget', key, 'used', 'ends')
  local used, ends = tonumber(found[1] or nil), tonumber(found[2] or nil)
  if not used or not ends or ends <= now or ends - now > tonumber(ARGV[2 * at]) then
    used, ends = 0, now + ARGV[2 * at]
  end
  if used >= tonumber(ARGV[2 * at - 1]) then result[1] = 0 end
  result[2 * at + 1], result[2 * at + 2] = used, ends
end
if result[1] == 1 then
  for at, key in ipairs(KEYS) do
    local used, ends = result[2 * at + 1] + 1, result[2 * at + 2]
    result[2 * at + 1] = used
    redis.call('hset', key, 'used', used, 'ends', ends)
    redis.call('pexpireat', key, ends)
  end
end
return result`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** Takes the number of keys, the keys, then the limit and the length in milliseconds of each window. */
    countInAll(keys: number, ...parameters: (string | number)[]): Result<readonly number[], Context>;
  }
}

/**
 * Makes a function that counts in Redis, in the way of `Counters`.
 * @param deployment a prefix of the keys in Redis
 */
export function redisCount(redis: Redis, deployment: string) {
  redis.defineCommand('countInAll', { lua: countInAll });
  return async (id: string, limits: readonly Limit[]): Promise<Counted> => {
    const keys = limits.map(({ name }) => `interview-agents-api:${deployment}:{${id}}:${name}`);
    const sizes = limits.flatMap(({ name, limit }) => [limit, lengths[name]]);
    const [isCounted, now = 0, ...numbers] = await redis.countInAll(keys.length, ...keys, ...sizes);
    const counts = limits.map((limit, at) => {
      const [used = 0, endsAt = 0] = numbers.slice(2 * at);
      return { ...limit, used, endsIn: endsAt - now, endsAt };
    });
    return { isCounted: isCounted === 1, counts };
  };
}
