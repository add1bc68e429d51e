import { expect, test, vi } from 'vitest';
import { scopes } from '../../src/auth/api-key.ts';
import { explanations, forAnyCompany, forCompany, onAgent, pathOf, withKey } from '../support/endpoints.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** `GET /api-key` needs no scope: test/http/api-key.test.ts. The scopes of webhooks: test/http/webhooks/access.test.ts. */
const withScope = [...onAgent, ...forCompany, ...forAnyCompany].flatMap(({ scope, ...endpoint }) =>
  scope === 'any' ? [] : [{ ...endpoint, scope }],
);

test.for(withScope)('$line needs the scope $scope and no other', async ({ line, scope, status, body }) => {
  const { id: companyId } = await world.company();
  const { id } = await world.agent(companyId);
  const named = line.replace(':id', id);
  const others = await world.keyWith(companyId, ...scopes.filter((one) => one !== scope));
  const refused = await world.call(others, named, { body });
  const detail = `This API key lacks the scope ${scope}.`;
  expectProblem(refused, { code: 'INSUFFICIENT_PERMISSIONS', instance: pathOf(named), detail });
  expect(refused.headers['www-authenticate']).toBe(`Bearer error="insufficient_scope", scope="${scope}"`);
  const anonymous = await world.call('nobody', named, { body });
  expectProblem(anonymous, { code: 'INVALID_API_KEY', instance: pathOf(named) });
  expect((await world.call(await world.keyWith(companyId, scope), named, { body })).status).toBe(status);
});

const lines = [...withKey, ...explanations].map(({ line }) => line);

/** The allowed methods of each path, as in Allow. */
const paths = [...new Set(lines.map(pathOf))].map((path) => {
  const methods = lines.filter((line) => pathOf(line) === path).map((line) => line.replace(/ .*$/, ''));
  return [path, [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].toSorted().join(', ')] as const;
});

test.for(paths)(
  '%s answers PUT with 405 and Allow: %s, even without a valid key, and the log names the path',
  async ([path, allow]) => {
    const instance = path.replaceAll(/:\w+/g, 'not-a-uuid');
    const answer = await world.call('nobody', `PUT ${instance}`);
    expectProblem(answer, { code: 'METHOD_NOT_ALLOWED', instance });
    expect(answer.headers.allow).toBe(allow);
    const lines = () => world.logLines.map((line) => JSON.parse(line));
    const line = await vi.waitUntil(
      () => lines().find(({ requestId }) => requestId === answer.headers['x-request-id']),
      { timeout: 60_000 },
    );
    expect(line).toMatchObject({ method: 'PUT', route: path.replace('/1', '/:version'), status: 405 });
  },
);
