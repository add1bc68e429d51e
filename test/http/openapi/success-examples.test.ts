import { expect, test, vi } from 'vitest';
import { defaultScopes } from '../../../src/auth/api-key.ts';
import { documented, readDocument } from '../../support/document.ts';
import { forAnyCompany, forCompany, forOwner, health, onAgent, onWebhook } from '../../support/endpoints.ts';
import type { Answer } from '../../support/http.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false, quotas: { perMinute: 600, perHour: 20_000 } });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);

const operationOf = (line: string) => {
  const [method, path] = documented(line);
  const operation = document.paths[path]?.[method.toLowerCase()];
  if (!operation) throw new Error(`the document lacks ${line}`);
  return operation;
};

/** The example of the request schema. Both media types have the same one. */
function bodyOf(line: string): unknown {
  const { content = {} } = operationOf(line).requestBody ?? {};
  const [schema, other] = Object.values(content).map((media) => media.schema.$ref?.replace(/^.*\//, ''));
  expect(other).toBe(schema);
  return schema && document.components.schemas[schema]?.examples?.[0];
}

/** The example of the response: its body, and its headers other than those of every answer. */
function shown(line: string, status: number) {
  const { content, headers = {} } = operationOf(line).responses[status] ?? {};
  const values = Object.entries(headers).flatMap(([name, { schema }]) =>
    schema.examples ? [[name.toLowerCase(), schema.examples[0]]] : [],
  );
  return { status, headers: Object.fromEntries(values), body: content?.['application/json']?.example };
}

const ofEveryAnswer =
  /^(?:connection|content-length|content-type|date|keep-alive|x-content-type-options|x-ratelimit-.*|x-request-id)$/;
const ofItself = ({ status, headers, body }: Answer) => ({
  status,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !ofEveryAnswer.test(name))),
  body,
});

/** The times in a JSON value, in document order. */
const timesIn = (value: unknown) => [
  ...new Set(
    JSON.stringify(value)
      .match(/\d{4}-\d\d-\d\dT[\d:.]+Z/g)
      ?.toSorted() ?? [],
  ),
];

/** Replaces a text by another, anywhere in a JSON value. */
const renamed = (value: unknown, names: readonly (readonly [string, string])[]): unknown =>
  JSON.parse(names.reduce((text, [from, to]) => text.replaceAll(from, to), JSON.stringify(value)));

/** The order of the requests: the agent is created, patched, read, restored and deleted. */
const order = [/^GET \/api-key$/, /^GET (?!\/agents)/, /^POST \/agents$/, /^PATCH/, /^GET/, /^POST/, /^DELETE/];
const place = (line: string) => order.findIndex((pattern) => pattern.test(line));

/** Each endpoint, once for each documented success. */
const lines = [...health, ...forAnyCompany, ...forCompany, ...onAgent]
  .map(({ line }) => line)
  .toSorted((a, b) => place(a) - place(b))
  .flatMap((line) => {
    const successes = Object.keys(operationOf(line).responses).filter((status) => status < '400');
    return successes.map((status) => `${line} ${status}`);
  });

/** Uses a key, so that lastUsedAt is stored and stays for a minute. */
async function useOnce(key: string, keyId: string): Promise<void> {
  await world.call(key, 'GET /companies');
  const isUsed = 'SELECT last_used_at FROM api_key WHERE id = $1 AND last_used_at IS NOT NULL';
  await vi.waitUntil(async () => (await world.sql.query(isUsed, [keyId])).rowCount === 1, { timeout: 60_000 });
}

test('every documented success has an example, and a server answers it, except for ids and times', async () => {
  const { id: companyId } = await world.companies.createCompany('Example company');
  const draft = { companyId, integrationId: null, name: null, scopes: defaultScopes, allowedIps: [], expiresAt: null };
  const { id: keyId, key } = await world.keys.create(draft);
  await useOnce(key, keyId);
  const number = await world.phoneNumber(companyId);
  const { rows } = await world.sql.query('SELECT start FROM api_key WHERE id = $1', [keyId]);
  const [second, first] = Object(shown('GET /agents/:id/versions', 200).body).data;
  const names: [string, string][] = [
    [companyId, Object(shown('POST /agents', 201).body).companyId],
    [keyId, first.keyId],
    [rows[0].start, Object(shown('GET /api-key', 200).body).start],
    [number, Object(bodyOf('PATCH /agents/:id')).companyPhoneNumberId],
  ];
  const back = () => names.map(([real, example]) => [example, real] as const);
  const requestIds: Readonly<Record<string, string>> = { POST: first.requestId, PATCH: second.requestId };

  const real = [];
  for (const story of lines) {
    const [method = '', path = '', status] = story.split(' ');
    const body = bodyOf(`${method} ${path}`);
    const headers = {
      'x-request-id': requestIds[method] ?? 'another',
      ...(status === '304' && { 'if-none-match': String(shown('GET /agents/:id', 304).headers.etag) }),
    };
    const line = `${method} ${path.replace(':id', names[4]?.[0] ?? '')}`;
    const answer = await world.call(key, line, { headers, body: body && renamed(body, back()) });
    if (status === '201') names.push([Object(answer.body).id, Object(shown(`${method} ${path}`, 201).body).id]);
    real.push(ofItself(answer));
  }
  const examples = lines.map((story) => {
    const [method, path, status] = story.split(' ');
    return shown(`${method} ${path}`, Number(status));
  });
  const [realTimes, exampleTimes] = [timesIn(real), timesIn(examples)];
  expect(realTimes).toHaveLength(exampleTimes.length);
  const times = realTimes.map((time, at) => [time, exampleTimes[at] ?? ''] as const);
  expect(renamed(real, [...names, ...times])).toEqual(JSON.parse(JSON.stringify(examples)));
});

/** A webhook endpoint is created, read, changed, tried and deleted. */
const webhookStory = [
  ...['POST /webhooks 201', 'GET /webhooks/:id 200', 'GET /webhooks 200', 'PATCH /webhooks/:id 200'],
  ...['POST /webhooks/:id/rotate-secret 200', 'POST /webhooks/:id/ping 202', 'GET /webhooks/:id/deliveries 200'],
  ...['POST /webhooks/:id/deliveries/:deliveryId/redeliver 202', 'DELETE /webhooks/:id 204'],
];

/** A JSON value without what differs between endpoints: ids, times and secrets. */
const inGeneral = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value)
      .replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, 'id')
      .replaceAll(/msg_[\da-f]{32}/g, 'event')
      .replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]{12}Z/g, 'time')
      .replaceAll(/whsec_[\w+/]{43}=/g, 'secret'),
  );

test('every documented success of webhooks has an example, and a server answers it, except for ids, times and secrets', async () => {
  expect(webhookStory.map((story) => story.replace(/ \d+$/, '')).toSorted()).toEqual(
    [...forOwner, ...onWebhook].map(({ line }) => line).toSorted(),
  );
  const { key } = await world.company();
  let path: Readonly<Record<string, string>> = {};
  for (const story of webhookStory) {
    const [line = '', status] = story.split(/ (?=\d+$)/);
    const asked = line.replaceAll(/:(\w+)/g, (_, name: string) => path[name] ?? '');
    const answer = await world.call(key, asked, { body: bodyOf(line) });
    const { id } = Object(answer.body);
    if (line === 'POST /webhooks') path = { id };
    if (line.endsWith('/ping')) path = { ...path, deliveryId: id };
    expect({ line, ...Object(inGeneral(ofItself(answer))) }).toEqual({
      line,
      ...Object(inGeneral(shown(line, Number(status)))),
    });
  }
});
