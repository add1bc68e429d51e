import { expect } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import { problemTexts } from '../../src/http/problem-texts.ts';
import type { ProblemCode } from '../../src/http/problems.ts';
import type { Endpoint } from './endpoints.ts';
import { expectProblem } from './problem.ts';
import type { World } from './world.ts';

interface Check {
  readonly check: string;
  readonly code: ProblemCode;
  /** The member `errors` of the answer; undefined if it has none. */
  readonly errors: Fault[] | undefined;
  /** The member `detail`, if no other kind of endpoint has the same. */
  readonly detail?: string | undefined;
}

/** The detail that agents and webhooks have alike, for a check that shares its code with others. */
function usualDetail(check: string, { scope }: Endpoint): string | undefined {
  if (check === 'the path can be decoded') return problemTexts.pathEncoding;
  if (check === 'the scope') return `This API key lacks the scope ${scope}.`;
  if (check === 'the encoding') return 'Send the body without a Content-Encoding.';
  return check === 'the JSON'
    ? 'The body is not valid JSON: at line 1, column 2, expected a name in double quotes or }, but found the end of the body.'
    : undefined;
}

/** Expects that a request fails a check, and changes none of the rows that `rows` selects as `row`. */
export async function expectFailedCheck(
  world: World,
  endpoint: Endpoint,
  { sent, path }: { readonly sent: Parameters<World['send']>[0]; readonly path: string },
  { check, code, errors, detail = usualDetail(check, endpoint) }: Check,
  rows: string,
): Promise<void> {
  const stored = async () => (await world.sql.query(`${rows} ORDER BY 1`)).rows;
  const before = await stored();
  expectProblem(await world.send(sent), {
    ...{ code, instance: path },
    ...(detail && { detail }),
    ...(errors && { errors }),
  });
  expect(await stored()).toEqual(before);
}
