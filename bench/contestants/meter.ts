import { type Static, Type } from '@sinclair/typebox';

/** What a contestant tells of itself when asked. */
export const readingSchema = Type.Object({
  /** Milliseconds of processor time so far, of the user and of the system. */
  cpu: Type.Number(),
  /** Bytes of memory in use, and at most so far. */
  memory: Type.Number(),
  peak: Type.Number(),
});
export type Reading = Static<typeof readingSchema>;

// Loaded into every contestant before its own code. Asked before and after a round, never during one, it costs nothing
// of what it measures, and it works where there is no /proc.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const reading: Reading = {
    cpu: (user + system) / 1000,
    memory: process.memoryUsage.rss(),
    peak: process.resourceUsage().maxRSS * 1024,
  };
  process.send?.(reading);
});

// The benchmark is gone: nobody else would stop this process.
process.on('disconnect', () => process.exit());
