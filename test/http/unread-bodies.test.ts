import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { head, patchHead, RawSocket } from '../support/raw-socket.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const withKey = (line: string, key: string, ...more: string[]) =>
  head(`${line} HTTP/1.1`, 'Host: api', `Authorization: Bearer ${key}`, ...more);

/** Ways in which the body of a request can be malformed, and whether the client then ends its side. */
const bodies = [
  ['a chunk size that is no number', 'Transfer-Encoding: chunked', 'zz\r\n', false],
  ['no body where one was announced', 'Content-Length: 5', '', true],
] as const;

/** Sends a request, and reads all answers up to the end of the connection. */
const exchangeAll = (bytes: string, ends: boolean) =>
  RawSocket.use(world.origin, async (socket) => {
    socket.write(bytes);
    if (ends) socket.end();
    const answers = await socket.untilClosed();
    return { answers, ending: socket.ending };
  });

describe('a request that takes no body is answered for what it did even if its body is malformed; then the connection is closed', () => {
  test.each(bodies)('DELETE with %s: 204, and the agent is deleted', async (_, header, body, ends) => {
    const { id, key } = await newSubject(world);
    const { answers, ending } = await exchangeAll(`${withKey(`DELETE /agents/${id}`, key, header)}${body}`, ends);
    expect(answers).toMatchObject([{ status: 204, headers: { connection: 'close' } }]);
    expect(ending).toBe('closed');
    expect(JSON.parse(await world.row(id)).deleted_at).not.toBeNull();
  });

  test.each(bodies)('DELETE of an unknown agent with %s: 404', async (_, header, body, ends) => {
    const { key } = await newSubject(world);
    const { answers } = await exchangeAll(`${withKey(`DELETE /agents/${randomUUID()}`, key, header)}${body}`, ends);
    expect(answers).toMatchObject([{ status: 404, body: { code: 'RESOURCE_NOT_FOUND' } }]);
  });

  test.each(bodies)('restore with %s: 200, and the version is restored', async (_, header, body, ends) => {
    const { id, key } = await newSubject(world);
    await world.patch(key, id, { duration: 99 });
    const line = `POST /agents/${id}/versions/1/restore`;
    const { answers } = await exchangeAll(`${withKey(line, key, header)}${body}`, ends);
    expect(answers).toMatchObject([{ status: 200, headers: { etag: '"3"' }, body: { id, duration: 30 } }]);
    expect(JSON.parse(await world.row(id))).toMatchObject({ version: 3, duration: 30 });
  });

  test.each(bodies)('rotate-secret with %s: 200 with the new secret', async (_, header, body, ends) => {
    const { key } = await world.company();
    const { id, secret } = await newWebhook(world, key);
    const { answers } = await exchangeAll(`${withKey(`POST /webhooks/${id}/rotate-secret`, key, header)}${body}`, ends);
    expect(answers).toMatchObject([{ status: 200, body: { secret: expect.stringMatching(/^whsec_/) } }]);
    expect(Object(answers[0]?.body).secret).not.toBe(secret);
  });

  test('the log line has the status of the answer and no code of a problem', async () => {
    const { id, key } = await newSubject(world);
    const requestId = randomUUID();
    const headers = [`X-Request-Id: ${requestId}`, 'Transfer-Encoding: chunked'];
    await exchangeAll(`${withKey(`GET /agents/${id}`, key, ...headers)}zz\r\n`, false);
    const lines = () => world.logLines.map((line) => JSON.parse(line)).filter((line) => line.requestId === requestId);
    await expect.poll(lines).toMatchObject([{ status: 200, code: null }]);
  });

  test('one that waits behind another request is refused with 400 and changes nothing', async () => {
    const { id, key } = await newSubject(world);
    const deletion = withKey(`DELETE http://api/agents/${id}`, key, 'Transfer-Encoding: chunked');
    await whileAgentLocked(world, id, (release) =>
      RawSocket.use(world.origin, async (socket) => {
        socket.write(`${patchHead({ id, key }, 'Content-Length: 15')}{"duration":77}${deletion}zz\r\n`);
        await untilWaiting(world);
        await release();
        const [own, refusal, ...more] = await socket.untilClosed();
        expect(own).toMatchObject({ status: 200, body: { id, duration: 77 } });
        expect(refusal).toMatchObject({ status: 400, body: { code: 'MALFORMED_REQUEST', instance: `/agents/${id}` } });
        expect(more).toEqual([]);
      }),
    );
    expect(JSON.parse(await world.row(id))).toMatchObject({ duration: 77, deleted_at: null });
  });
});
