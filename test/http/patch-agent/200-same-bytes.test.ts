import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyMetadata } from '../../support/arbitrary-json.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const metadata = {
  zebra: 1,
  b: { yy: [{ z: 1, aa: { bb: 1, b: 2 } }], x: 1 },
  10: 'ten',
  9: 'nine',
  '10a': 1,
  ä: 1,
  zz: 1,
  '😀': { é: 1, e: 2 },
};

test('PATCH, GET and a replay of one ETag have the same bytes, whatever order of keys was sent', async () => {
  const { id, key } = await newSubject(world);
  const headers = { 'idempotency-key': 'same-bytes' };
  const patched = await world.patch(key, id, { metadata }, { headers });
  const read = await world.call(key, `GET /agents/${id}`);
  expect([read.status, read.headers['etag']]).toEqual([200, patched.headers['etag']]);
  expect(patched.text).toBe(read.text);
  expect((await world.patch(key, id, { metadata }, { headers })).text).toBe(read.text);
});

test('PATCH and GET of one ETag have the same bytes after any patches of metadata, and a dry run shows that order of keys', async () => {
  const { id, key } = await newSubject(world);
  const patches = fc.asyncProperty(anyMetadata, async (patch) => {
    const dry = await world.patch(key, id, { metadata: patch }, { query: '?dryRun=true' });
    const patched = await world.patch(key, id, { metadata: patch });
    if (patched.status !== 200) return;
    const read = await world.call(key, `GET /agents/${id}`);
    expect(patched.text).toBe(read.text);
    expect(Object(dry.body).metadata).toEqual(Object(read.body).metadata);
    expect(JSON.stringify(Object(dry.body).metadata)).toBe(JSON.stringify(Object(read.body).metadata));
  });
  await fc.assert(patches, { numRuns: 60 });
});

test('POST answers the same bytes as GET afterwards', async () => {
  const { companyId, key } = await newSubject(world);
  const body = { name: 'Same bytes', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30, metadata };
  const created = await world.call(key, 'POST /agents', { body });
  expect(Object(created.body).companyId).toBe(companyId);
  expect((await world.call(key, `GET /agents/${Object(created.body).id}`)).text).toBe(created.text);
});
