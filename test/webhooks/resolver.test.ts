import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { dnsResolver } from '../../src/webhooks/resolver.ts';

type Family = 'A' | 'AAAA';

const types: Readonly<Record<number, Family>> = { 1: 'A', 28: 'AAAA' };
const rdata = { A: [8, 8, 8, 8], AAAA: [0x20, 0x01, ...Array(13).fill(0), 1] };
const addresses = { A: '8.8.8.8', AAAA: '2001::1' };

/** The answer to a DNS question (RFC 1035, section 4.1); without an address the name does not exist. */
function answerTo(question: Buffer, family: Family, hasAddress: boolean): Buffer {
  const data = Buffer.from(hasAddress ? rdata[family] : []);
  const fixed = Buffer.alloc(12);
  question.copy(fixed, 0, 0, 2);
  fixed.writeUInt16BE(hasAddress ? 0x8180 : 0x8183, 2);
  fixed.writeUInt16BE(1, 4);
  fixed.writeUInt16BE(hasAddress ? 1 : 0, 6);
  const asked = question.subarray(12, question.indexOf(0, 12) + 5);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(family === 'A' ? 1 : 28, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat(hasAddress ? [fixed, asked, record, data] : [fixed, asked]);
}

/** What is answered to the question for a family that is asked for the nth time; undefined: nothing. */
type Judge = (family: Family, times: number) => 'address' | 'none' | undefined;

/** Starts a DNS server. @returns its address, and how often it was asked for each family */
async function openDnsServer(judge: Judge) {
  const server = createSocket('udp4');
  const counts = { A: 0, AAAA: 0 };
  server.on('message', (question, { port, address }) => {
    const family = types[question.readUInt16BE(question.indexOf(0, 12) + 1)];
    if (!family) throw new Error('neither A nor AAAA');
    counts[family] += 1;
    const answer = judge(family, counts[family]);
    if (answer) server.send(answerTo(question, family, answer === 'address'), port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { address: `127.0.0.1:${server.address().port}`, counts };
}

/** @param before names that are resolved before, by the same resolver */
async function resolve(judge: Judge, { before = [] }: { readonly before?: readonly string[] } = {}) {
  const { address } = await openDnsServer(judge);
  const find = dnsResolver(() => [address]);
  for (const name of before) await find(name);
  return await find('hooks.example');
}

test('a name has the addresses of both families, IPv4 first', async () => {
  expect(await resolve(() => 'address')).toEqual([addresses.A, addresses.AAAA]);
});

test.each(['A', 'AAAA'] as const)('a name whose only addresses are of %s has those', async (family) => {
  expect(await resolve((asked) => (asked === family ? 'address' : 'none'))).toEqual([addresses[family]]);
});

test('a name without addresses is not found', async () => {
  await expect(resolve(() => 'none')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

test.each([
  ['AAAA', 'A'],
  ['A', 'AAAA'],
] as const)('the addresses of %s are not waited for if those of %s are known', async (late, known) => {
  // The question is sent again after 2 s, which is answered.
  expect(await resolve((asked, times) => (asked === late && times === 1 ? undefined : 'address'))).toEqual([
    addresses[known],
  ]);
});

test('a name is asked for a third time, also by a resolver that is used to quick answers', async () => {
  const before = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example'];
  const judge = (_: Family, times: number) => (times === 6 || times === 7 ? undefined : 'address');
  expect(await resolve(judge, { before })).toEqual([addresses.A, addresses.AAAA]);
});

test('the addresses of one family are waited for if the other has none', async () => {
  const answered = await resolve((asked, times) => {
    if (asked === 'AAAA') return 'none';
    return times === 1 ? undefined : 'address';
  });
  expect(answered).toEqual([addresses.A]);
});

test('30 seconds after the DNS servers of the machine were replaced, the new ones are asked', async () => {
  const clock = vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const [old, present] = [await openDnsServer(() => 'none'), await openDnsServer(() => 'address')];
  let servers = [old.address];
  const find = dnsResolver(() => servers);
  const notFound = { code: 'ENOTFOUND' };
  await expect(find('hooks.example')).rejects.toMatchObject(notFound);
  servers = [present.address];
  clock.advanceTimersByTime(29_999);
  await expect(find('hooks.example')).rejects.toMatchObject(notFound);
  expect([old.counts, present.counts]).toEqual([
    { A: 2, AAAA: 2 },
    { A: 0, AAAA: 0 },
  ]);
  clock.advanceTimersByTime(1);
  expect(await find('hooks.example')).toEqual([addresses.A, addresses.AAAA]);
  expect([old.counts, present.counts]).toEqual([
    { A: 2, AAAA: 2 },
    { A: 1, AAAA: 1 },
  ]);
});
