import { onTestFinished } from 'vitest';
import { agentRepository } from '../../src/agents/repository.ts';
import type { Decide } from '../../src/agents/write/decision.ts';
import { type RetryReason, silent } from '../../src/metrics/meter.ts';
import { openLimited } from './time-limits.ts';
import type { World } from './world.ts';

/**
 * A repository of a test's own: changes of one turn of the event loop form one batch. `batches` has each batch and its size,
 * also those of changes that run alone, `repeated` why changes were retried alone.
 */
export function openDirectAgents(world: World) {
  const database = openLimited('patient', world.databaseUrl, 4);
  onTestFinished(() => database.close());
  const repeated: RetryReason[] = [];
  const batches: string[] = [];
  const agents = agentRepository(database, {
    ...silent,
    repeated: (why) => repeated.push(why),
    batch: (of, size) => batches.push(`${size} ${of}`),
  });
  return { agents, repeated, batches };
}

/** Sets the duration of an agent to 31. */
export const longer: Decide = (found) => {
  if (!found) throw new Error('not found');
  return { content: { ...found.agent.content, duration: 31 }, changedFields: ['duration'] };
};

/** Changes nothing. */
export const unchanged: Decide = (found) => {
  if (!found) throw new Error('not found');
  return { content: found.agent.content, changedFields: [] };
};
