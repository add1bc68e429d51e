import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { problemDetails } from '../../src/http/problem-details.ts';
import { newSubject } from '../support/patch-agent.ts';
import { answerOf, storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

// A world of its own for the browser: the program, its profile, nothing fetched in the background.
const profile = await mkdtemp(join(tmpdir(), 'interview-agents-api-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
afterAll(async () => {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
});
const world = await openWorld();

/** Opens the reference page; what goes wrong in it is collected. */
async function openDocs() {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  await page.goto(`${world.origin}/docs`);
  return { page, complaints, origins };
}

async function authorize(page: Page, key: string): Promise<void> {
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  const dialog = page.locator('.dialog-ux');
  await dialog.locator('input').fill(key);
  await dialog.getByRole('button', { name: 'Apply credentials' }).click();
  await dialog.getByRole('button', { name: 'Close' }).first().click();
}

/** Sends a PATCH from the page. @returns what the page shows of the answer */
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

test('a reader of /docs pastes a key, sends a PATCH and sees the answer', async () => {
  const subject = await newSubject(world);
  const { page, complaints, origins } = await openDocs();
  await page.getByText('Update an agent').waitFor();

  await authorize(page, subject.key);
  const shown = await sendPatch(page, subject.id, { name: 'Changed in a browser', metadata: { from: 'docs' } });

  const { row } = await storedAgent(world, subject.id);
  expect(row).toMatchObject({ name: 'Changed in a browser', metadata: { from: 'docs' }, version: 2 });
  expect(shown.status).toMatch(/^200\b/);
  expect(JSON.parse(shown.body)).toEqual(answerOf(row));
  expect(shown.headers).toContain('etag: "2"');
  expect(complaints).toEqual([]);
  expect([...origins]).toEqual([world.origin]);
});

test('the page shows a refusal as the problem that it is', async () => {
  const { page, origins } = await openDocs();
  await authorize(page, `sk_${'0'.repeat(43)}`);
  const shown = await sendPatch(page, '123e4567-e89b-12d3-a456-426614174000', {});
  expect(shown.status).toMatch(/^401\b/);
  expect(JSON.parse(shown.body)).toMatchObject({ status: 401, code: 'INVALID_API_KEY' });
  expect([...origins]).toEqual([world.origin]);
});

test('the page shows the example of each problem, with the headers of its answer', async () => {
  const { page, complaints } = await openDocs();
  const operation = page.locator('#operations-Agents-getAgent');
  await operation.locator('.opblock-summary-control').click();
  const notFound = operation.locator('tr.response[data-code="404"]');
  expect(JSON.parse(await textOf(notFound.locator('.highlight-code code').first()))).toMatchObject({
    ...{ status: 404, code: 'RESOURCE_NOT_FOUND' },
    detail: problemDetails.agentMissing,
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
