import { randomUUID } from 'node:crypto';
import { newSubject, type Subject } from './patch-agent.ts';
import { head } from './raw-socket.ts';
import type { World } from './world.ts';

/** Builds pipelined requests as text, and reads their log lines. */
export function pipelined(world: World) {
  const patchHead = (key: string, id: string, requestId: string, ...more: string[]) =>
    head(
      `PATCH /agents/${id} HTTP/1.1`,
      'Host: api',
      `Authorization: Bearer ${key}`,
      'Content-Type: application/json',
      `X-Request-Id: ${requestId}`,
      ...more,
    );
  let other: Promise<Subject> | undefined;
  return {
    patchHead,

    /** A whole PATCH, for bodies of plain ASCII. */
    patch(key: string, id: string, body: object, requestId: string = randomUUID()): string {
      const text = JSON.stringify(body);
      return `${patchHead(key, id, requestId, `Content-Length: ${text.length}`)}${text}`;
    },

    /** A request without a body. */
    request: (line: string, key: string, requestId: string) =>
      head(`${line} HTTP/1.1`, 'Host: api', `Authorization: Bearer ${key}`, `X-Request-Id: ${requestId}`),

    /** The log lines of the given requests. */
    linesOf: (requestIds: readonly string[]) =>
      world.logLines
        .map((line): { requestId?: string; msg: string; status: unknown } => JSON.parse(line))
        .filter(({ requestId }) => requestId !== undefined && requestIds.includes(requestId))
        .map(({ requestId, msg, status }) => ({ requestId, msg, status })),

    /**
     * Resolves when every change that was begun before the call must have been written: after two changes of another
     * agent.
     */
    async untilWritten(): Promise<void> {
      other ??= newSubject(world);
      const { id, key } = await other;
      for (let time = 0; time < 2; time += 1) await world.patch(key, id, { duration: 10 + time });
    },

    /** A company whose list is larger than the buffers of the system: 40 agents of 300 KB. */
    async companyWithLargeList() {
      const company = await world.company();
      const questions = Array.from({ length: 50 }, () => '漢'.repeat(2_000));
      for (let made = 0; made < 40; made += 1) await world.agent(company.id, { questions });
      return company;
    },
  };
}
