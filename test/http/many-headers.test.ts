import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { expectRefusal, newSubject } from '../support/patch-agent.ts';
import { exchange, patchHead } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** With those of a PATCH and one more, as many headers as a request may have. */
const many = Array<string>(195).fill('D:');

const body = '{"name":"Written"}';

/** A PATCH with a header behind many others. */
const patch = (agent: { readonly id: string; readonly key: string }, last: string) =>
  `${patchHead(agent, `Content-Length: ${body.length}`, ...many, last)}${body}`;

test('a PATCH of version 1 with an If-Match of another version as the 200th header is 412', async () => {
  const agent = await newSubject(world);
  const send = () => exchange(world.origin, patch(agent, 'If-Match: "7"'));
  await expectRefusal(world, agent.id, send, { code: 'PRECONDITION_FAILED' });
  expect(await exchange(world.origin, patch(agent, 'If-Match: "1"'))).toMatchObject({ status: 200 });
});

test('a PATCH with a Content-Encoding as the 200th header is 415', async () => {
  const agent = await newSubject(world);
  const send = () => exchange(world.origin, patch(agent, 'Content-Encoding: gzip'));
  const detail = 'Send the body without a Content-Encoding.';
  await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE', detail });
});

test('the allow-list of a key is checked with an X-Forwarded-For as the 200th header', async () => {
  const { id, companyId } = await newSubject(world);
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  const key = await world.keyFrom(companyId, '127.0.0.1');
  const send = () => exchange(origin, patch({ id, key }, 'X-Forwarded-For: 192.0.2.1'));
  await expectRefusal(world, id, send, { code: 'IP_NOT_ALLOWED' });
});

test.each([201, 10_000])('a request with %d headers is refused with 431 and changes nothing', async (count) => {
  const agent = await newSubject(world);
  const more = Array<string>(count - 199).fill('D:');
  const send = () => exchange(world.origin, patch(agent, more.join('\r\n')));
  await expectRefusal(world, agent.id, send, { code: 'HEADERS_TOO_LARGE' });
});
