import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import type { AtEnd } from '../support/process.ts';

/** Milliseconds for a start, a page or an action, each of which takes less than a second on an idle machine. */
const patience = 120_000;

/** Starts Chromium with an empty profile. It loads nothing in the background. */
export async function launchBrowser(atEnd: AtEnd): Promise<BrowserContext> {
  const profile = await mkdtemp(join(tmpdir(), 'interview-agents-api-browser-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    headless: true,
    timeout: patience,
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
  browser.setDefaultTimeout(patience);
  atEnd(async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  });
  return browser;
}
