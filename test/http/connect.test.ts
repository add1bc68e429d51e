import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { pipelined } from '../support/pipelined.ts';
import { head } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { companyWithLargeList } = pipelined(world);

test('a list of 12 MB is answered whole if CONNECT arrives behind its request, which is then refused', async () => {
  const { key } = await companyWithLargeList();
  const { hostname, port } = new URL(world.origin);
  const socket = connect({ host: hostname, port: Number(port) });
  const lines = ['Host: api', `Authorization: Bearer ${key}`];
  socket.write(head('GET /agents?limit=100 HTTP/1.1', ...lines) + head('CONNECT api:443 HTTP/1.1', 'Host: api'));
  const [list = '', refusal = '', ...more] = (await text(socket)).split(/^(?=HTTP\/1\.1 )/m);
  expect(list).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n0\r\n\r\n$/);
  expect(refusal).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"MALFORMED_REQUEST"/);
  expect(more).toEqual([]);
});
