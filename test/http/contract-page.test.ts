import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AgentDraft } from '../../src/agents/schema.ts';
import { problems } from '../../src/http/problems.ts';
import { headingsOf, sectionsOf } from '../support/contract-page.ts';
import { fill } from '../support/placeholders.ts';
import { openWorld } from '../support/world.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/contract.md'), 'utf8');
const world = await openWorld({ quotas: { perMinute: 600, perHour: 20_000 } });

const fresh: AgentDraft = {
  name: 'Frontend Developer Interview',
  type: 'ONLINE',
  focus: 'SCREENING',
  language: 'EN',
  duration: 30,
  questions: ['What is your experience with React?'],
  metadata: { department: 'Sales' },
};

async function openValues() {
  const [company, other] = [await world.company(), await world.company()];
  const { key: atsKey } = await world.ats(company.id);
  return {
    KEY: company.key,
    READ_KEY: await world.keyWith(company.id, 'read:agents'),
    ATS_KEY: atsKey,
    COMPANY: company.id,
    PHONE_NUMBER: await world.phoneNumber(company.id),
    AGENT: (await world.agent(company.id, fresh)).id,
    FOREIGN_AGENT: (await world.agent(other.id)).id,
  };
}

const sections = sectionsOf(page);

describe('the server answers every example of the contract page as shown', () => {
  test('every section has one, but the list of endpoints and those whose rules stand in the sections below them', () => {
    const titles = sections.filter(({ examples }) => examples.length === 0).map(({ title }) => title);
    const ofSections = ['Authentication', 'Partial updates', 'Metadata', 'Concurrency', 'Retries', 'Limits'];
    expect(titles).toEqual(['The endpoints', ...ofSections, 'The other endpoints']);
  });

  test.each(sections.filter(({ examples }) => examples.length > 0))('$title', async ({ examples }) => {
    const values = await openValues();
    for (const example of examples) {
      const { request, answer } = fill(example, values);
      const got = await world.send(request);
      const shown = Object.fromEntries(Object.keys(answer.headers).map((name) => [name, got.headers[name]]));
      const line = `${request.method} ${request.path}`;
      expect({ line, status: got.status, headers: shown }).toEqual({
        line,
        status: answer.status,
        headers: answer.headers,
      });
      if (answer.body === undefined) continue;
      if (answer.isWhole) expect(got.body).toEqual(answer.body);
      else expect(got.body).toMatchObject(Object(answer.body));
    }
  });
});

test('the new agent that the page shows is the one that its examples use', () => {
  const [, shown = ''] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
  expect(JSON.parse(shown)).toEqual(fresh);
});

test('every link inside the contract page leads to one of its headings', () => {
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter((anchor) => !headingsOf(page).includes(String(anchor)))).toEqual([]);
});

test('every heading of the contract page that the sources cite exists', () => {
  const src = join(import.meta.dirname, '../../src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?!generated).*\.ts$/.test(name),
  );
  const cited = files.flatMap((name) => [...readFileSync(join(src, name), 'utf8').matchAll(/contract\.md#([\w-]+)/g)]);
  expect(cited.length).toBeGreaterThan(10);
  expect(cited.map(([, anchor = '']) => anchor).filter((anchor) => !headingsOf(page).includes(anchor))).toEqual([]);
});

test('the contract page lists exactly the codes of the catalogue, each under its status', () => {
  const listed = [...page.matchAll(/^\| (\d{3}) \| (.*) \|$/gm)].flatMap(([, status, codes = '']) =>
    [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => [code, Number(status)]),
  );
  const catalogue = Object.entries(problems).map(([code, { status }]) => [code, status]);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(catalogue));
});
