import type { AgentContent } from '../../../src/agents/fields.ts';
import type { Answered, Asked, Shown } from '../../support/history.ts';
import type { Answer } from '../../support/http.ts';
import type { Call } from '../../support/kept-client.ts';
import { changedFieldsIn } from '../../support/patch-agent.ts';
import { versionIn } from '../../support/stored-agent.ts';

/** The request of a call on an agent. */
export function callFor(id: string, asked: Asked, requestId: string): Call {
  const { ifMatch, ifNoneMatch } = asked;
  const headers = {
    'x-request-id': requestId,
    ...(ifMatch !== undefined && { 'if-match': `"${ifMatch}"` }),
    ...(ifNoneMatch !== undefined && { 'if-none-match': `"${ifNoneMatch}"` }),
  };
  const path = `/agents/${id}`;
  switch (asked.kind) {
    case 'read':
      return { line: `GET ${path}`, headers };
    case 'delete':
      return { line: `DELETE ${path}`, headers };
    case 'patch':
      return { line: `PATCH ${path}?dryRun=${asked.dryRun}`, headers, body: asked.patch };
    case 'restore':
      return { line: `POST ${path}/versions/${asked.version}/restore?dryRun=${asked.dryRun}`, headers };
  }
}

/** The entry of a history for an answer. @throws on a status that no call of a history may get */
export function answeredBy(answer: Answer): Answered {
  const { status, body, headers } = answer;
  const { errors, code } = Object(body);
  switch (status) {
    case 200: {
      const changed = headers['changed-fields'] === undefined ? [] : changedFieldsIn(answer);
      return { status, shown: shownBy(answer), changed };
    }
    case 204:
    case 304:
    case 404:
    case 412:
      return { status };
    case 400:
      return { status, errors };
    case 503:
      return { status, isRefused: code === 'OVERLOADED' };
    default:
      throw new Error(`answered ${status}: ${answer.text}`);
  }
}

/** The agent in an answer with an entity tag. */
export function shownBy(answer: Answer): Shown {
  const { id, companyId, createdAt, updatedAt, ...fields } = Object(answer.body);
  const number = answer.headers['agent-phone-number-id'] ?? null;
  const content: AgentContent = { ...fields, companyPhoneNumberId: number };
  return { version: versionIn(answer), content, updatedAt, identity: `${id} ${companyId} ${createdAt}` };
}
