import fp from 'fastify-plugin';
import findMyWay from 'find-my-way';
import { isRecord } from './json.ts';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';
import { maxHeaderBytes } from './size-limits.ts';

/** A path of the API: its pattern, and the methods that it has. */
interface KnownPath {
  readonly url: string;
  readonly methods: string[];
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The path of the API that a URL matches, whatever the method of its request. */
    knownPath(url: string): KnownPath | undefined;
  }
}

/** Remembers the path of each route that is added afterwards, in one more router of the kind that Fastify has. */
export const knownPaths = fp(async (app) => {
  const router = findMyWay({ maxParamLength: maxHeaderBytes });
  const paths = new Map<string, KnownPath>();
  app.decorate('knownPath', (url): KnownPath | undefined => {
    const found = router.find('GET', url);
    return found && !isMisrouted({ url, params: found.params }) ? found.store : undefined;
  });
  app.addHook('onRoute', ({ url, method }) => {
    const path = paths.get(url) ?? { url, methods: [] };
    path.methods.push(...[method].flat());
    if (paths.has(url)) return;
    paths.set(url, path);
    router.on('GET', url, () => {}, path);
  });
});

/** Whether the router has matched another path: it ignores the first character, and takes an empty part for a parameter. */
export const isMisrouted = ({ url, params }: { readonly url: string; readonly params: unknown }): boolean =>
  !url.startsWith('/') || (isRecord(params) && Object.values(params).includes(''));

/** 405 with Allow, for a method that a known path does not have. */
export function methodMissing({ methods }: KnownPath): ApiError {
  const allow = methods.toSorted().join(', ');
  return new ApiError('METHOD_NOT_ALLOWED', { detail: problemTexts.methodNotAllowed(allow), headers: { allow } });
}
