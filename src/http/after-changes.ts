import fp from 'fastify-plugin';

interface Options {
  /** Called when a request that may have changed something was answered well. Must be quick and must not throw. */
  readonly tell: () => void;
}

/** Tells when something may have been committed, behind the answer. */
export const afterChanges = fp(async (app, { tell }: Options) => {
  app.addHook('onResponse', (request, reply, done) => {
    if (request.method !== 'GET' && reply.statusCode < 300) tell();
    done();
  });
});
