import { describe, expect, test } from 'vitest';
import { parseTarget, resolveTarget, type TargetRules } from '../../src/webhooks/target.ts';

const strict: TargetRules = { allowHttp: false, allowNetworks: [] };
const notPublic = 'the address is not public';
const nameNotPublic = 'the name has no address, or one that is not public';

/** The DNS answers in these tests. */
const zone: Readonly<Record<string, readonly string[]>> = {
  'public.example': ['8.8.8.8', '2606:4700:4700::1111'],
  'inside.example': ['10.0.0.7'],
  'mixed.example': ['8.8.8.8', '127.0.0.1'],
  'mixed6.example': ['2606:4700:4700::1111', 'fe80::1'],
  localhost: ['127.0.0.1', '::1'],
  'nothing.example': [],
  'nat64.example': ['64:ff9b::808:808'],
  'nat64-inside.example': ['64:ff9b::7f00:1'],
};
const resolve = async (name: string) => zone[name] ?? Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }));

/** The addresses of a URL; throws what a delivery would fail with. */
const addressesOf = async (text: string, rules = strict) => resolveTarget(parseTarget(text, rules), rules, resolve);

const hostile: readonly (readonly [kind: string, fault: string, urls: readonly string[]])[] = [
  ['no URL', 'the URL is not valid', ['', 'hook', '//a.example/', 'https://', 'https://a b.example/', 'https://[::1/']],
  ['an IPv4 address out of range', 'the URL is not valid', ['https://256.1.1.1/', 'https://0x100000000/']],
  [
    'another scheme',
    'the URL is not https',
    ['http://public.example/', 'ftp://public.example/', 'file:///etc/passwd', 'gopher://public.example/', 'data:,x'],
  ],
  [
    'a user or a password',
    'the URL has a user or a password',
    ['https://user@public.example/', 'https://:word@public.example/', 'https://public.example:1@127.0.0.1/'],
  ],
  [
    'loopback in every spelling',
    notPublic,
    [
      ...['https://127.0.0.1/', 'https://127.1/', 'https://127.0.1/', 'https://2130706433/', 'https://0x7f000001/'],
      ...['https://0x7f.0.0.1/', 'https://0177.0.0.1/', 'https://017700000001/', 'https://127.0.0.1./'],
      ...['https://127.255.255.254/', 'https://1２7.0.0.1/', 'https://127。0。0。1/', 'https://%31%32%37.0.0.1/'],
      ...['https://[::1]/', 'https://[0:0:0:0:0:0:0:1]/'],
    ],
  ],
  [
    'IPv4 in IPv6',
    notPublic,
    [
      ...['https://[::ffff:127.0.0.1]/', 'https://[::ffff:7f00:1]/', 'https://[::ffff:10.0.0.1]/'],
      ...['https://[::127.0.0.1]/', 'https://[::7f00:1]/', 'https://[64:ff9b::127.0.0.1]/'],
      ...['https://[64:ff9b::169.254.169.254]/', 'https://[64:ff9b:1::1]/', 'https://[2002:7f00:1::]/'],
      ...['https://[2001:0:7f00:1::]/', 'https://[::ffff:0:127.0.0.1]/'],
    ],
  ],
  [
    'metadata services',
    notPublic,
    [
      ...['https://169.254.169.254/', 'https://0xa9fea9fe/', 'https://2852039166/', 'https://[fd00:ec2::254]/'],
      ...['https://169.254.170.2/', 'https://100.100.100.200/', 'https://192.0.0.192/', 'https://168.63.129.16/'],
    ],
  ],
  [
    'private, shared, reserved and multicast IPv4',
    notPublic,
    [
      ...['https://10.0.0.1/', 'https://172.16.0.1/', 'https://172.31.255.255/', 'https://192.168.1.1:8443/'],
      ...['https://0.0.0.0/', 'https://0/', 'https://100.64.0.1/', 'https://198.18.0.1/', 'https://198.19.255.255/'],
      ...['https://192.0.2.1/', 'https://198.51.100.1/', 'https://203.0.113.1/', 'https://192.88.99.1/'],
      ...['https://224.0.0.1/', 'https://239.255.255.255/', 'https://240.0.0.1/', 'https://255.255.255.255/'],
    ],
  ],
  [
    'IPv6 that is not global',
    notPublic,
    [
      ...['https://[::]/', 'https://[fe80::1]/', 'https://[febf::1]/', 'https://[fc00::1]/', 'https://[fdff::1]/'],
      ...['https://[fec0::1]/', 'https://[ff02::1]/', 'https://[100::1]/', 'https://[2001:db8::1]/'],
      ...['https://[2001:2::1]/', 'https://[2001:10::1]/', 'https://[3fff::1]/', 'https://[5f00::1]/'],
    ],
  ],
  [
    'names of which one address is not public',
    nameNotPublic,
    [
      ...['https://inside.example/', 'https://mixed.example/', 'https://mixed6.example/'],
      ...['https://localhost/', 'https://LOCALHOST:8443/', 'https://nat64-inside.example/'],
    ],
  ],
  ['names without an address', nameNotPublic, ['https://nothing.example/', 'https://unknown.example/']],
];

describe.each(hostile)('%s', (_, fault, urls) => {
  test.each(urls)('%s is refused', async (url) => {
    await expect(addressesOf(url)).rejects.toMatchObject({ name: 'Error', message: fault });
  });
});

test.each([
  ['https://public.example/hook', zone['public.example']],
  ['https://public.example:8443/', zone['public.example']],
  ['https://8.8.8.8/', ['8.8.8.8']],
  ['https://[2606:4700:4700::1111]/', ['2606:4700:4700::1111']],
  ['https://nat64.example/', zone['nat64.example']],
  ['https://172.15.255.255/', ['172.15.255.255']],
  ['https://172.32.0.0/', ['172.32.0.0']],
  ['https://100.63.255.255/', ['100.63.255.255']],
])('%s is accepted as public', async (url, addresses) => {
  expect(await addressesOf(url)).toEqual(addresses);
});

test('WEBHOOK_ALLOW_HTTP allows http and no other scheme', async () => {
  const rules = { ...strict, allowHttp: true };
  expect(await addressesOf('http://public.example/', rules)).toEqual(zone['public.example']);
  await expect(addressesOf('http://127.0.0.1/', rules)).rejects.toMatchObject({ message: notPublic });
  await expect(addressesOf('ftp://public.example/', rules)).rejects.toMatchObject({ message: 'the URL is not https' });
});

test('WEBHOOK_ALLOW_NETWORKS allows the networks that it lists and no others', async () => {
  const rules = { ...strict, allowNetworks: ['10.0.0.0/24', '::1'] };
  expect(await addressesOf('https://inside.example/', rules)).toEqual(['10.0.0.7']);
  expect(await addressesOf('https://[::1]/', rules)).toEqual(['::1']);
  expect(await addressesOf('https://[::ffff:10.0.0.7]/', rules)).toEqual(['::ffff:a00:7']);
  await expect(addressesOf('https://10.0.1.7/', rules)).rejects.toMatchObject({ message: notPublic });
  await expect(addressesOf('https://mixed.example/', rules)).rejects.toMatchObject({ message: nameNotPublic });
});

test('of a name with many addresses all are judged and eight of each family are used, in whatever order they come', async () => {
  const used4 = Array.from({ length: 8 }, (_, at) => `8.8.8.${at}`);
  const used6 = Array.from({ length: 8 }, (_, at) => `2606:4700::${at}`);
  const rest = Array.from({ length: 8 }, (_, at) => [`9.10.0.${at}`, `2a00::${at}`]).flat();
  const all = [...used4, ...used6, ...rest];
  const url = new URL('https://many.example/');
  const used = (answer: readonly string[]) => resolveTarget(url, strict, async () => answer);
  expect(await used(all)).toEqual([...used4, ...used6]);
  expect(await used(all.toReversed())).toEqual([...used4.toReversed(), ...used6.toReversed()]);
  expect(await used(all.flatMap((address) => [address, address]))).toEqual([...used4, ...used6]);
  for (const inside of ['10.0.0.1', 'fd00::1']) {
    await expect(used([...all, inside])).rejects.toMatchObject({ message: nameNotPublic });
  }
});

test('a name with more than 64 addresses is refused', async () => {
  const url = new URL('https://many.example/');
  const many = (length: number) => async () => Array.from({ length }, (_, at) => `8.8.8.${at}`);
  expect(await resolveTarget(url, strict, many(64))).toHaveLength(8);
  await expect(resolveTarget(url, strict, many(65))).rejects.toMatchObject({
    message: 'the name has more than 64 addresses',
  });
});

test('a name with many IPv4 addresses is reached by its IPv6 address too', async () => {
  const many = Array.from({ length: 20 }, (_, at) => `8.8.8.${at}`);
  const url = new URL('https://many.example/');
  expect(await resolveTarget(url, strict, async () => [...many, '2606:4700::1'])).toContain('2606:4700::1');
});

test('a lookup that was not answered fails with the error of the resolver', async () => {
  const failing = () => Promise.reject(Object.assign(new Error(), { code: 'ESERVFAIL' }));
  await expect(resolveTarget(new URL('https://a.example/'), strict, failing)).rejects.toMatchObject({
    code: 'ESERVFAIL',
  });
});
