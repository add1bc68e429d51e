import { setTimeout as delay } from 'node:timers/promises';
import { type Client, openClient } from '../../support/kept-client.ts';
import type { AtEnd } from '../../support/process.ts';
import type { Received } from '../../support/receiver.ts';

/** Milliseconds until a failed read is repeated, and between two checks of the endpoint and for events. */
const pause = 100;
const endpointPause = 2_000;

interface Options {
  readonly origin: string;
  readonly key: string;
}

/**
 * A copy of a company's agents that follows only the rules of docs/webhooks.md. After a crash it has what it stored:
 * the agents, the ids of deleted ones, the ids of events, and the events that are not applied yet.
 */
export function openAgentCopy({ origin, key }: Options) {
  const agents = new Map<string, { readonly version: number; readonly agent: object }>();
  const deleted = new Set<string>();
  const eventIds = new Set<string>();
  const inbox: Received['event'][] = [];
  const counts = { repeats: 0, applied: 0, ignored: 0, deletions: 0, lists: 0, listedAgain: 0 };
  let isBegun = false;

  function remove(id: string): void {
    if (!deleted.has(id)) counts.deletions += 1;
    deleted.add(id);
    agents.delete(id);
  }

  /** "Ignore an event whose version is not above the one that you have", and every event of a deleted agent. */
  const isNewer = (id: string, version: number) => !deleted.has(id) && version > (agents.get(id)?.version ?? 0);

  return {
    counts,
    isUpToDate: () => isBegun && inbox.length === 0,
    /** The ids of all events that were received. */
    eventIds,
    /** The agents by id. */
    agents: () => new Map([...agents].map(([id, { agent }]) => [id, agent])),

    /** Stores a received event. */
    receive({ id, event }: Received): void {
      if (eventIds.has(id)) counts.repeats += 1;
      else inbox.push(event);
      eventIds.add(id);
    },

    /** Reads and applies stored events until the signal aborts. */
    async run(webhookId: string, signal: AbortSignal): Promise<void> {
      const ends: Parameters<AtEnd>[0][] = [];
      const atEnd: AtEnd = (end) => void ends.push(end);

      /** "If a read of yours fails then, try again yourself". */
      async function request(client: Client, line: string, body?: object) {
        for (;;) {
          const answer = await client(origin, { line, body }).catch(() => undefined);
          signal.throwIfAborted();
          if (answer && [200, 404].includes(answer.status)) return answer;
          await delay(pause, undefined, { signal });
        }
      }

      async function readNow(client: Client, id: string): Promise<void> {
        const { status, headers, body } = await request(client, `GET /agents/${id}`);
        const version = Number(String(headers.etag).replaceAll('"', ''));
        if (status === 404) remove(id);
        else if (isNewer(id, version)) agents.set(id, { version, agent: Object(body) });
      }

      async function apply(client: Client, { type, data: { agentId: id, version } }: Received['event']): Promise<void> {
        if (type === 'agent.deleted') {
          remove(id);
        } else if (isNewer(id, version)) {
          const { status, body } = await request(client, `GET /agents/${id}/versions/${version}`);
          const { companyPhoneNumberId: _, ...agent } = Object(body);
          if (status === 404) await readNow(client, id);
          else if (isNewer(id, version)) agents.set(id, { version, agent });
          counts.applied += 1;
        } else {
          counts.ignored += 1;
        }
      }

      /** All ids of the list; undefined if a deletion may have moved an agent to a page that was read before. */
      async function list(client: Client): Promise<string[] | undefined> {
        const ids: string[] = [];
        for (let page = 1, before = 0; ; page += 1) {
          const { data, pagination } = Object((await request(client, `GET /agents?limit=5&page=${page}`)).body);
          const { total, hasNextPage } = pagination;
          if (total < before) return undefined;
          before = total;
          for (const { id } of data) ids.push(id);
          if (!hasNextPage) return ids;
        }
      }

      /** "To begin a copy, and after an endpoint was disabled". */
      async function begin(client: Client): Promise<void> {
        await request(client, `PATCH /webhooks/${webhookId}`, { status: 'ENABLED' });
        await delay(5_000, undefined, { signal });
        counts.lists += 1;
        let ids = await list(client);
        while (ids === undefined) {
          counts.listedAgain += 1;
          ids = await list(client);
        }
        for (const id of new Set([...ids, ...agents.keys()])) await readNow(client, id);
        isBegun = true;
      }

      async function watch(): Promise<void> {
        const client = openClient(key, atEnd);
        for (;;) {
          const { body } = await request(client, `GET /webhooks/${webhookId}`);
          if (Object(body).status === 'DISABLED') isBegun = false;
          if (!isBegun) await begin(client);
          await delay(endpointPause, undefined, { signal });
        }
      }

      async function work(): Promise<void> {
        const client = openClient(key, atEnd);
        for (;;) {
          const [event] = inbox;
          if (event) await apply(client, event);
          if (event) inbox.shift();
          else await delay(pause, undefined, { signal });
        }
      }

      try {
        await Promise.all([watch(), work()]);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        for (const end of ends) await end();
      }
    },
  };
}
