import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import { faultsOf, readDocument, undocumented } from '../support/document.ts';
import type { Answer } from '../support/http.ts';
import { fill } from '../support/placeholders.ts';
import { openWorld } from '../support/world.ts';
import { codesFor } from './support/fuzzed-answer.ts';
import { type Lane, openLane, toBeWritten } from './support/fuzzed-lane.ts';
import { type Fuzzed, fuzzedRequests, toSent } from './support/fuzzed-request.ts';

const requests = inject('isShort') ? 10_000 : 100_000;
/** Concurrent requests, each on rows of its own. */
const lanes = 4;
/** `SEED=… npm run trust` sends the same requests again. */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

const world = await openWorld({ docs: false, quotas: { perMinute: 999_999, perHour: 999_999 } });
const document = readDocument((await world.send({ method: 'GET', path: '/openapi.json' })).text);
const isWebhooks = (path: string) => path.startsWith('/webhooks');
const arbitrary = fuzzedRequests(document, (path) => !isWebhooks(path));

const codeOf = ({ status, body }: Answer) => (status < 400 ? 'success' : String(Object(body).code));

/** The answer for an unknown path is a problem like every other. */
function differences({ method, path }: Fuzzed, answer: Answer): unknown[] {
  if (codeOf(answer) !== 'ROUTE_NOT_FOUND') return undocumented(document, [method, path], answer);
  return faultsOf(document, ['components', 'schemas', 'Problem'], answer.body);
}

test(`${requests} requests generated from the OpenAPI document get no 5xx and the documented answers, and refusals write no row`, async () => {
  console.log(`seed ${seed}, ${requests} requests in ${lanes} lanes`);
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

  async function run(lane: Lane, number: number): Promise<void> {
    const property = fc.asyncProperty(arbitrary, async (fuzzed) => {
      const request = fill(fuzzed, lane.values());
      const answer = await lane.send(toSent(request, lane.keys[request.sender]));
      count(`${request.kind}: ${answer.status < 400 ? 'accepted' : 'refused'}`);
      count(`${codeOf(answer)}`);
      const written = await lane.written();
      expect({ body: answer.body, is: codeOf(answer), among: codesFor(document, request, lane.values()) }).toSatisfy(
        ({ is, among }) => among.includes(is),
      );
      expect(answer.status).toBeLessThan(500);
      expect(differences(request, answer)).toEqual([]);
      expect(written).toEqual(toBeWritten(request, answer));
      if (answer.status === 204) await lane.renew();
    });
    await fc.assert(property, { numRuns: requests / lanes, seed: seed + number });
  }

  const opened: Lane[] = [];
  while (opened.length < lanes) opened.push(await openLane(world));
  const ends = await Promise.allSettled(opened.map(run));
  console.log(Object.fromEntries([...counts].toSorted()));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
});

test(`${requests / 10} requests to webhooks generated from the OpenAPI document get no 5xx and the documented answers, and change no agent`, async () => {
  const lane = await openLane(world);
  const property = fc.asyncProperty(fuzzedRequests(document, isWebhooks), async (fuzzed) => {
    const request = fill(fuzzed, lane.values());
    const answer = await lane.send(toSent(request, lane.keys[request.sender]));
    expect(answer.status).toBeLessThan(500);
    expect(differences(request, answer)).toEqual([]);
    expect(await lane.written()).toMatchObject({ agents: false, versions: false });
  });
  await fc.assert(property, { numRuns: requests / 10, seed });
});
