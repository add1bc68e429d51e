import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { expectChange, expectNoChange, expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { patchHead, RawSocket } from '../../support/raw-socket.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const acceptedTypes = [
  'application/json',
  'application/merge-patch+json',
  'Application/JSON',
  'APPLICATION/MERGE-PATCH+JSON',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
  'application/json\t; charset=utf-8',
  'application/json;',
  'application/json; charset=iso-8859-1',
  'application/merge-patch+json; profile="a;b"',
];

test.for(acceptedTypes)('a body of type "%s" is accepted', async (type) => {
  const agent = await newSubject(world);
  const headers = { 'content-type': type };
  const errors = [
    { in: 'body', pointer: '#/duration', code: 'too_large', detail: 'must be at most 180', limit: 180 },
  ] as const;
  const refused = () => sendText(world, agent, '{"duration":500}', headers);
  await expectRefusal(world, agent.id, refused, { code: 'VALIDATION_FAILED', errors });
  expect(await sendText(world, agent, '{"duration":50}', headers)).toMatchObject({
    status: 200,
    body: { duration: 50 },
  });
});

const refusedTypes = [
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'application/json-patch+json',
  'application/vnd.api+json',
  'application/jsonp',
  'application/json, text/plain',
  'multipart/form-data; boundary=x',
  'json',
  '*/*',
];

test.for(refusedTypes)('a body of type "%s" is refused with the types that are accepted', async (type) => {
  const agent = await newSubject(world);
  const send = () => sendText(world, agent, '{"name":"Not read"}', { 'content-type': type });
  const answer = await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE' });
  expect(answer.headers['accept-patch']).toBe('application/merge-patch+json, application/json');
});

test('a body without a type is refused with the types that are accepted', async () => {
  const agent = await newSubject(world);
  const headers = { authorization: `Bearer ${agent.key}` };
  const send = () => world.send({ path: `/agents/${agent.id}`, headers, body: '{"name":"Not read"}' });
  const answer = await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE' });
  expect(answer.headers['accept-patch']).toBe('application/merge-patch+json, application/json');
});

const encodings = ['gzip', 'br', 'deflate', 'identity', 'aes128gcm', 'gzip, gzip', ''];

test.for(encodings)('a body with the content encoding "%s" is refused', async (encoding) => {
  const agent = await newSubject(world);
  const send = () => sendText(world, agent, gzipSync('{"name":"Zipped"}'), { 'content-encoding': encoding });
  const detail = 'Send the body without a Content-Encoding.';
  const answer = await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE', detail });
  expect(answer.headers['accept-encoding']).toBe('identity');
});

const limit = 256 * 1024;
/** A patch of exactly `bytes` bytes. */
const ofSize = (bytes: number) => `{"name":"Sized"}`.padEnd(bytes);

test('a body of exactly 256 KiB is read', async () => {
  await expectChange(world, await newSubject(world), ofSize(limit), { name: 'Sized' });
});

test.for([limit + 1, 2_000_000])('a Content-Length of %d bytes is refused', async (bytes) => {
  const agent = await newSubject(world);
  const send = () => sendText(world, agent, ofSize(bytes));
  await expectRefusal(world, agent.id, send, { code: 'PAYLOAD_TOO_LARGE' });
});

test('fifty questions of 2,000 characters fit with two bytes for each character, but not with three', async () => {
  const agent = await newSubject(world);
  const questions = Array<string>(50).fill('é'.repeat(2_000));
  await expectChange(world, agent, { questions }, { questions });
  const send = () => world.patch(agent.key, agent.id, { questions: questions.map(() => 'あ'.repeat(2_000)) });
  await expectRefusal(world, agent.id, send, { code: 'PAYLOAD_TOO_LARGE' });
});

test('after a body that is not valid JSON, the next request of the connection is served', async () => {
  const agent = await newSubject(world);
  await RawSocket.use(world.origin, async (socket) => {
    socket.write(`${patchHead(agent, 'Content-Length: 1')}{${patchHead(agent, 'Content-Length: 2')}{}`);
    expect(await socket.answer(1)).toMatchObject({ status: 200 });
    expect(socket.answers[0]).toMatchObject({ status: 400, body: { code: 'MALFORMED_BODY' } });
  });
});

const bodyMissing = 'The request needs a JSON object as its body.';
const encoded = 'Send the body without a Content-Encoding.';

test.for([
  [{}, { code: 'MALFORMED_BODY', detail: bodyMissing }],
  [{ 'content-type': 'application/json' }, { code: 'MALFORMED_BODY', detail: bodyMissing }],
  [{ 'content-type': 'text/plain' }, { code: 'UNSUPPORTED_MEDIA_TYPE' }],
  [{ 'content-encoding': 'gzip' }, { code: 'UNSUPPORTED_MEDIA_TYPE', detail: encoded }],
] as const)('a request without a body is refused, with the headers %o', async ([more, problem]) => {
  const agent = await newSubject(world);
  const headers = { authorization: `Bearer ${agent.key}`, ...more };
  await expectRefusal(world, agent.id, () => world.send({ path: `/agents/${agent.id}`, headers }), problem);
});

/** Invalid JSON: line and column of the fault, what is expected there, and what was found. */
const notJson = [
  ['with an extra comma', '{"name":"abc",}', [1, 15], 'a name in double quotes', '"}"'],
  ['in single quotes', "{'name':'abc'}", [1, 2], 'a name in double quotes or }', '"\'"'],
  ['that is an incomplete object', '{"name":"abc"', [1, 14], 'a comma or }', 'the end of the body'],
  [
    'with a line break in a text',
    '{\n"name":"a\nb"}',
    [2, 10],
    'an escape such as \\n or \\u0009 in its place',
    'a line break',
  ],
  ['with a leading zero', '{"duration":045}', [1, 13], 'a number without a leading zero', '"045"'],
  ['with NaN', '{"duration":NaN}', [1, 13], 'a value', '"NaN"'],
  ['of two values', '{} {}', [1, 4], 'the end of the body', '"{"'],
  ['that is undefined', 'undefined', [1, 1], 'a value', '"undefined"'],
  [
    'of 100,000 open brackets',
    `{"metadata":{"a":${'['.repeat(100_000)}`,
    [1, 100_018],
    'a value or ]',
    'the end of the body',
  ],
  ['with a no-break space before it', '\u00a0{}', [1, 1], 'a value', 'U+00A0'],
  ['with letters of four bytes before the fault', '{"name":"😀😀" "b"}', [1, 14], 'a comma or }', 'a double quote'],
] as const;

test.for(notJson)(
  'a body %s is not JSON, and the answer says where',
  async ([, text, [line, column], expected, found]) => {
    const agent = await newSubject(world);
    const place = `at line ${line}, column ${column}, expected ${expected}, but found ${found}`;
    const detail = `The body is not valid JSON: ${place}.`;
    await expectRefusal(world, agent.id, () => sendText(world, agent, text), { code: 'MALFORMED_BODY', detail });
  },
);

test.for(['', ' ', '\r\n\t', '\ufeff'])('a body of only the white space %j is refused as missing', async (text) => {
  const agent = await newSubject(world);
  const send = () => sendText(world, agent, text);
  await expectRefusal(world, agent.id, send, { code: 'MALFORMED_BODY', detail: bodyMissing });
});

test.for([' ', '\r\n\t', '\ufeff'])(
  'a body of only the white space %j without a type is refused for its type',
  async (text) => {
    const agent = await newSubject(world);
    const headers = { authorization: `Bearer ${agent.key}` };
    const send = () => world.send({ path: `/agents/${agent.id}`, headers, body: text });
    const answer = await expectRefusal(world, agent.id, send, { code: 'UNSUPPORTED_MEDIA_TYPE' });
    expect(answer.headers['accept-patch']).toBe('application/merge-patch+json, application/json');
  },
);

test.for(['ff', 'c3', 'c0af', 'eda080', 'f4908080'])(
  'the bytes %s in a string are refused as invalid UTF-8',
  async (hex) => {
    const agent = await newSubject(world);
    const bytes = Buffer.concat([Buffer.from('{"name":"ab'), Buffer.from(hex, 'hex'), Buffer.from('"}')]);
    const detail = 'The body is not valid UTF-8.';
    await expectRefusal(world, agent.id, () => sendText(world, agent, bytes), { code: 'MALFORMED_BODY', detail });
  },
);

test('a byte order mark before the body is ignored', async () => {
  await expectChange(world, await newSubject(world), '\ufeff{"name":"Marked"}', { name: 'Marked' });
});

test('white space around the body is ignored', async () => {
  await expectNoChange(world, await newSubject(world), {});
  await expectChange(world, await newSubject(world), '\r\n\t {"name":"Spaced"} \n', { name: 'Spaced' });
});

test('metadata of 100,000 brackets is refused as too deep', async () => {
  const agent = await newSubject(world);
  const text = `{"metadata":{"a":${'['.repeat(100_000)}0${']'.repeat(100_000)}}}`;
  const detail = 'must be at most 5 levels deep once merged, but would be 100001';
  const errors = [{ in: 'body', pointer: '#/metadata', code: 'too_deep', detail, limit: 5 }] as const;
  await expectRefusal(world, agent.id, () => sendText(world, agent, text), { code: 'VALIDATION_FAILED', errors });
});
