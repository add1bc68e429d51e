import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { expectRefusal, newSubject } from '../support/patch-agent.ts';
import { exchange, patchHead } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** As many headers as fit into 16 KiB beside those of a PATCH. */
const many = Array<string>(3_900).fill('D:');

const body = '{"name":"Written"}';

/** A PATCH with a header behind many others. */
const patch = (agent: { readonly id: string; readonly key: string }, last: string) =>
  `${patchHead(agent, `Content-Length: ${body.length}`, ...many, last)}${body}`;

test('a PATCH of version 1 with an If-Match of another version behind 3,900 other headers is 412', async () => {
  const agent = await newSubject(world);
  const send = () => exchange(world.origin, patch(agent, 'If-Match: "7"'));
  await expectRefusal(world, agent.id, send, { code: 'PRECONDITION_FAILED' });
  expect(await exchange(world.origin, patch(agent, 'If-Match: "1"'))).toMatchObject({ status: 200 });
});

test('a PATCH with a Content-Encoding behind 3,900 other headers is 415', async () => {
  const agent = await newSubject(world);
  const send = () => exchange(world.origin, patch(agent, 'Content-Encoding: gzip'));
  const detail = 'Send the body without a Content-Encoding.';
  await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE', detail });
});

test('the allow-list of a key is checked with an X-Forwarded-For behind 3,900 other headers', async () => {
  const { id, companyId } = await newSubject(world);
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  const key = await world.keyFrom(companyId, '127.0.0.1');
  const send = () => exchange(origin, patch({ id, key }, 'X-Forwarded-For: 192.0.2.1'));
  await expectRefusal(world, id, send, { code: 'IP_NOT_ALLOWED' });
});
