import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { patches } from '../../src/agents/examples.ts';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { newSubject } from '../support/patch-agent.ts';
import { answerOf, storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';
import { launchBrowser } from './browser.ts';

const browser = await launchBrowser(afterAll);
const world = await openWorld();
const contrasts = await readFile(join(import.meta.dirname, 'contrasts.js'), 'utf8');

/** Opens the reference page and collects its errors. */
async function openDocs({ width = 1280, colorScheme = 'light' as 'light' | 'dark' } = {}) {
  const page = await browser.newPage();
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  await page.goto(world.origin);
  await page.locator('.opblock').first().waitFor();
  return { page, complaints, origins };
}

/** Enters a key in the quick start. */
async function useKey(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Use this key' }).click();
}

/** Sends a PATCH from the reference. @returns the answer that the page shows */
async function sendPatch(page: Page, id: string, patch: object) {
  const operation = page.locator('#operations-Agents-updateAgent');
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('tr[data-param-name="id"] input').fill(id);
  await operation.locator('textarea.body-param__text').fill(JSON.stringify(patch));
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = operation.locator('.live-responses-table .response').first();
  return {
    status: await textOf(answer.locator('.response-col_status')),
    body: await textOf(answer.locator('.highlight-code code').first()),
    headers: await textOf(answer.locator('.response-col_description')),
  };
}

const textOf = async (place: Locator) => String(await place.textContent());

describe.each([
  { width: 1280, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
] as const)('the page, $width pixels wide and $colorScheme', (look) => {
  test('shows a first 200 after a key is entered and one button pressed, and keeps the key over a reload', async () => {
    const subject = await newSubject(world);
    const { page, complaints, origins } = await openDocs(look);
    await useKey(page, subject.key);
    await page.getByRole('button', { name: 'Send PATCH' }).click();
    await expect
      .poll(() => textOf(page.locator('#status')))
      .toBe('200 OK · ETag "2" · Changed-Fields: duration, metadata');
    const { row } = await storedAgent(world, subject.id);
    expect(row).toMatchObject({ duration: 60, version: 2 });
    expect(JSON.parse(await textOf(page.locator('#answer')))).toEqual(answerOf(row));

    await page.reload();
    await page.getByRole('button', { name: 'Send PATCH' }).click();
    await expect.poll(() => textOf(page.locator('#status'))).toBe('200 OK · ETag "2" · Changed-Fields: (none)');
    expect(await page.evaluate('JSON.stringify(localStorage)')).not.toContain(subject.key);
    expect(complaints).toEqual([]);
    expect([...origins]).toEqual([world.origin]);
  });

  test('gets 200 for each example of a PATCH, and is not wider than the window', async () => {
    const subject = await newSubject(world);
    await world.phoneNumber(subject.companyId);
    const { page, complaints } = await openDocs(look);
    await useKey(page, subject.key);
    await page.getByRole('button', { name: 'Send PATCH' }).waitFor();
    const operation = page.locator('#operations-Agents-updateAgent');
    await operation.locator('.opblock-summary-control').click();
    const choice = operation
      .locator('.body-param .examples-select select, .opblock-section-request-body select')
      .last();
    const examples = await choice
      .locator('option')
      .evaluateAll((options) => options.map((one) => one.getAttribute('value')));
    expect(examples).toEqual(Object.keys(patches));
    for (const example of examples) {
      await choice.selectOption(example);
      const answer = page.waitForResponse((response) => response.request().method() === 'PATCH');
      await operation.getByRole('button', { name: 'Execute' }).click();
      expect((await answer).status()).toBe(200);
      const stored = answerOf((await storedAgent(world, subject.id)).row);
      const body = operation.locator('.live-responses-table .response .highlight-code code').first();
      await expect.poll(async () => JSON.parse((await textOf(body)) || '{}')).toEqual(stored);
      expect(await textOf(operation.locator('.live-responses-table .response-col_status').last())).toMatch(/^200\b/);
      await operation.getByRole('button', { name: 'Clear' }).click();
    }
    expect((await storedAgent(world, subject.id)).row).toMatchObject({ type: 'PHONE', voice_id: 'EMMA', version: 4 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(look.width);
    expect(complaints).toEqual([]);
  });
});

test('tells of a PATCH that got no answer, or one of a proxy, and shows no answer of before', async () => {
  const subject = await newSubject(world);
  const { page } = await openDocs({});
  await useKey(page, subject.key);
  const send = () => page.getByRole('button', { name: 'Send PATCH' }).click();
  await send();
  await page.locator('#answer').waitFor();
  await page.route(`**/agents/${subject.id}`, (route) => route.abort());
  await send();
  await expect.poll(() => textOf(page.locator('#status'))).toMatch(/^No answer: .*The change may have been saved\.$/);
  expect(await page.locator('#answer').isVisible()).toBe(false);
  await page.unroute(`**/agents/${subject.id}`);
  const ofProxy = '<html><b>Bad</b></html>';
  await page.route(`**/agents/${subject.id}`, (route) =>
    route.fulfill({ status: 502, contentType: 'text/html', body: ofProxy }),
  );
  await send();
  await expect.poll(() => textOf(page.locator('#status'))).toMatch(/^502 /);
  expect(await textOf(page.locator('#answer'))).toBe(ofProxy);
});

test.for(['light', 'dark'] as const)(
  'every text has a contrast of at least 4.5 to 1, %s (WCAG 2.2, 1.4.3)',
  async (colorScheme) => {
    const subject = await newSubject(world);
    const { page } = await openDocs({ colorScheme });
    await useKey(page, subject.key);
    await page.getByRole('button', { name: 'Send PATCH' }).click();
    const shown = await sendPatch(page, subject.id, { duration: 50 });
    expect(shown.status).toMatch(/^200\b/);
    const { texts, faint } = JSON.parse(String(await page.evaluate(contrasts)));
    expect(texts).toBeGreaterThan(500);
    expect(faint).toEqual([]);
  },
);

test('a reader of /docs enters a key, sends a PATCH and sees the answer', async () => {
  const subject = await newSubject(world);
  const { page, complaints, origins } = await openDocs();
  await page.getByText('Update an agent').waitFor();

  await useKey(page, subject.key);
  await page.getByRole('button', { name: 'Send PATCH' }).waitFor();
  const shown = await sendPatch(page, subject.id, { name: 'Changed in a browser', metadata: { from: 'docs' } });

  const { row } = await storedAgent(world, subject.id);
  expect(row).toMatchObject({ name: 'Changed in a browser', metadata: { from: 'docs' }, version: 2 });
  expect(shown.status).toMatch(/^200\b/);
  expect(JSON.parse(shown.body)).toEqual(answerOf(row));
  expect(shown.headers).toContain('etag: "2"');
  expect(complaints).toEqual([]);
  expect([...origins]).toEqual([world.origin]);
});

test('the page explains why a key is refused, and still sends it with requests of the reference', async () => {
  const { page, origins } = await openDocs();
  await useKey(page, `sk_${'0'.repeat(43)}`);
  await expect.poll(() => textOf(page.locator('#caller'))).toMatch(/^INVALID_API_KEY: /);
  const shown = await sendPatch(page, '123e4567-e89b-12d3-a456-426614174000', {});
  expect(shown.status).toMatch(/^401\b/);
  expect(JSON.parse(shown.body)).toMatchObject({ status: 401, code: 'INVALID_API_KEY' });
  expect([...origins]).toEqual([world.origin]);
});

test('the page shows the example of each problem', async () => {
  const { page, complaints } = await openDocs();
  const operation = page.locator('#operations-Agents-getAgent');
  await operation.locator('.opblock-summary-control').click();
  const notFound = operation.locator('tr.response[data-code="404"]');
  expect(JSON.parse(await textOf(notFound.locator('.highlight-code code').first()))).toMatchObject({
    ...{ status: 404, code: 'RESOURCE_NOT_FOUND' },
    detail: problemTexts.agentMissing,
  });
  expect(await textOf(notFound)).toContain('X-Request-Id');
  const forbidden = operation.locator('tr.response[data-code="403"]');
  const choice = forbidden.locator('.examples-select select');
  const codes = ['IP_NOT_ALLOWED', 'INSUFFICIENT_PERMISSIONS', 'COMPANY_ACCESS_DENIED', 'RESOURCE_ACCESS_DENIED'];
  expect(await choice.locator('option').allTextContents()).toEqual(codes);
  await choice.selectOption('INSUFFICIENT_PERMISSIONS');
  expect(await textOf(forbidden.locator('.highlight-code code').first())).toContain('lacks the scope read:agents');
  expect(complaints).toEqual([]);
});
