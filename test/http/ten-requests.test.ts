import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Answer } from '../support/http.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const text = readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'ten-requests.http'), 'utf8');

/** A request of the file: its optional name, its head and its body. */
interface Written {
  readonly name: string | undefined;
  readonly head: readonly string[];
  readonly body: string;
}

/** The requests of a file in the format of the REST Client for Visual Studio Code. */
const requests: Written[] = text
  .split(/^###.*\n/m)
  .slice(1)
  .map((part) => {
    const name = /^# @name (\w+)$/m.exec(part)?.[1];
    const [head = '', body = ''] = part
      .replace(/^#.*\n/gm, '')
      .trim()
      .split(/\n\n/);
    return { name, head: head.split('\n'), body };
  });

/** Sends the requests in order, with `{{…}}` replaced. @returns the answers */
async function sendAll(variables: Readonly<Record<string, string>>): Promise<Answer[]> {
  const named = new Map<string, Answer>();
  const lookUp = (expression: string): string => {
    const [, name = '', part, member = ''] = /^(\w+)\.response\.(body\.\$|headers)\.([\w-]+)$/.exec(expression) ?? [];
    const answer = named.get(name);
    if (expression === '$guid') return crypto.randomUUID();
    if (answer) return String(part === 'headers' ? answer.headers[member.toLowerCase()] : Object(answer.body)[member]);
    const variable = variables[expression];
    if (variable === undefined) throw new Error(`nothing is called ${expression}`);
    return variable;
  };
  const filled = (line: string) => line.replace(/\{\{(.+?)\}\}/g, (_, expression: string) => lookUp(expression));
  const answers: Answer[] = [];
  for (const { name, head, body } of requests) {
    const [line = '', ...headers] = head.map(filled);
    const [method = '', url = ''] = line.split(' ');
    const { pathname, search } = new URL(url);
    const answer = await world.send({
      method,
      path: pathname + search,
      headers: Object.fromEntries(headers.map((header) => header.split(': '))),
      ...(body && { body: filled(body) }),
    });
    if (name) named.set(name, answer);
    answers.push(answer);
  }
  return answers;
}

test('the ten requests of examples/ten-requests.http get the answers that its comments describe', async () => {
  const company = await world.company();
  const answers = await sendAll({ api: world.origin, key: company.key });
  expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 400, 200, 200, 204]);
  const [created, list, read, tried, changed, again, refused, diff, restored] = answers;
  const agent = Object(created?.body);
  expect(Object(list?.body).data).toEqual([agent]);
  expect([read?.body, read?.headers['etag']]).toEqual([agent, '"1"']);
  expect([tried?.headers['dry-run'], tried?.headers['etag']]).toEqual(['true', '"1"']);
  const metadata = { tags: ['remote', 'senior'], source: 'ats' };
  expect(changed?.body).toMatchObject({ duration: 45, instructions: null, metadata });
  expect([again?.text, again?.headers['idempotent-replayed']]).toEqual([changed?.text, 'true']);
  expect(Object(refused?.body).errors).toHaveLength(2);
  expect(Object(diff?.body).changes).toHaveLength(4);
  expect(restored?.body).toEqual({ ...agent, updatedAt: Object(restored?.body).updatedAt });
  const { row } = await storedAgent(world, agent.id);
  expect(row).toMatchObject({ version: 3, duration: 30, deleted_at: expect.anything() });
});
