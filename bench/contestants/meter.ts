import { type Static, Type } from '@sinclair/typebox';

/** The measurements of a contestant. */
export const readingSchema = Type.Object({
  /** Milliseconds of processor time since the start, user and system. */
  cpu: Type.Number(),
  /** Bytes of memory in use, and the maximum since the start. */
  memory: Type.Number(),
  peak: Type.Number(),
});
export type Reading = Static<typeof readingSchema>;

// Loaded into every contestant before its own code. It is asked before and after a round and never during one, so it
// does not affect the measurement, and it works without /proc.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const reading: Reading = {
    cpu: (user + system) / 1000,
    memory: process.memoryUsage.rss(),
    peak: process.resourceUsage().maxRSS * 1024,
  };
  process.send?.(reading);
});

// The benchmark has ended, and no other process would stop this one.
process.on('disconnect', () => process.exit());
