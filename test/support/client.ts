import createClient from 'openapi-fetch';
import type { components, operations, paths } from '../../examples/generated/api.d.ts';
import type { Answer } from './http.ts';

export type Schemas = components['schemas'];

/** Query and headers of an operation. */
type Options<Operation extends keyof operations> = Omit<operations[Operation]['parameters'], 'path' | 'cookie'>;

export type Client = ReturnType<typeof clientOf>;

/** A client with an API key, typed by the OpenAPI document: requests that it does not describe do not compile. */
export function clientOf(origin: string, key: string) {
  const headers = { authorization: `Bearer ${key}` };
  const api = createClient<paths>({ baseUrl: origin, headers, fetch: keepText });
  return {
    create: (body: Schemas['AgentDraft'], params: Options<'createAgent'> = {}) =>
      whole(api.POST('/agents', { params, body })),

    list: (query: Options<'listAgents'>['query'] = {}) => whole(api.GET('/agents', { params: { query } })),

    read: (id: string, params: Options<'getAgent'> = {}) =>
      whole(api.GET('/agents/{id}', { params: { ...params, path: { id } } })),

    patch: (id: string, body: Schemas['AgentPatch'], params: Options<'updateAgent'> = {}) =>
      whole(api.PATCH('/agents/{id}', { params: { ...params, path: { id } }, body })),

    remove: (id: string, params: Options<'deleteAgent'> = {}) =>
      whole(api.DELETE('/agents/{id}', { params: { ...params, path: { id } } })),

    versions: (id: string, query: Options<'listAgentVersions'>['query'] = {}) =>
      whole(api.GET('/agents/{id}/versions', { params: { query, path: { id } } })),

    version: (id: string, version: number) =>
      whole(api.GET('/agents/{id}/versions/{version}', { params: { path: { id, version: `${version}` } } })),

    diff: (id: string, version: number, query: Options<'compareAgentVersions'>['query'] = {}) =>
      whole(
        api.GET('/agents/{id}/versions/{version}/diff', { params: { query, path: { id, version: `${version}` } } }),
      ),

    restore: (id: string, version: number, params: Options<'restoreAgentVersion'> = {}) =>
      whole(
        api.POST('/agents/{id}/versions/{version}/restore', {
          params: { ...params, path: { id, version: `${version}` } },
        }),
      ),

    phoneNumbers: (query: Options<'listPhoneNumbers'>['query'] = {}) =>
      whole(api.GET('/phone-numbers', { params: { query } })),

    companies: (query: Options<'listCompanies'>['query'] = {}) => whole(api.GET('/companies', { params: { query } })),
  };
}

const texts = new WeakMap<Response, string>();

/** Keeps the text of each body for comparisons, because the client only parses it. */
async function keepText(request: Request): Promise<Response> {
  const response = await fetch(request);
  texts.set(response, await response.clone().text());
  return response;
}

interface Result<Data> {
  readonly data?: Data;
  readonly response: Response;
}

/** A whole answer, with the typed body of a success. */
class TypedAnswer<Data> implements Answer {
  readonly status: number;
  readonly headers: Answer['headers'];
  readonly text: string;
  readonly body: unknown;
  readonly #data: Data | undefined;

  constructor({ data, response }: Result<Data>) {
    this.status = response.status;
    this.headers = Object.fromEntries(response.headers);
    this.text = texts.get(response) ?? '';
    this.body = /json/.test(this.headers['content-type'] ?? '') ? JSON.parse(this.text) : undefined;
    this.#data = data;
  }

  /** Throws an Error with the server's answer if the status is no success. */
  get data(): Data {
    if (this.#data === undefined) throw new Error(`${this.status} ${this.text}`);
    return this.#data;
  }
}

const whole = async <Data>(result: Promise<Result<Data>>) => new TypedAnswer(await result);
