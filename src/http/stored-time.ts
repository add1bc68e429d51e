/** The first and the last moment that answers can show: RFC 3339 has years of four digits, and many clients begin at year 1. */
export const firstTime = '0001-01-01T00:00:00.000Z';
export const lastTime = '9999-12-31T23:59:59.999Z';

/**
 * A time that can be answered, for one that PostgreSQL wrote in ISO format and in UTC. SQL can store times that neither RFC 3339
 * nor JavaScript has: for `-infinity` and years before Christ it is the first moment, for `infinity` and years after 9999 the last
 * one. Any other text is returned as it is.
 */
export function answerableTime(time: string): string {
  if (time === '-infinity' || time.endsWith('BC')) return firstTime;
  return time === 'infinity' || /^\d{5}/.test(time) ? lastTime : time;
}
