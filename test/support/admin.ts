import { join } from 'node:path';
import { expect } from 'vitest';
import { runProgram } from './process.ts';
import type { World } from './world.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'admin.js');

/** An id and a time, as the command line prints them. */
export const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
export const time = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);

/** Runs a command and returns the JSON value that it prints. Fails unless it exits with 0 and an empty stderr. */
export async function adminWith(env: Record<string, string>, ...parameters: string[]) {
  const { code, stdout, stderr } = await runProgram([program, ...parameters], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Runs the command line on the database of a world, by DATABASE_URL, beside the world's server. */
export const adminOf =
  ({ ownerUrl, secret }: World) =>
  (...parameters: string[]) =>
    adminWith({ DATABASE_URL: ownerUrl, API_KEY_SECRET: secret }, ...parameters);
