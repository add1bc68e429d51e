import fp from 'fastify-plugin';

interface Options {
  /** Called after the answer to each request other than GET and HEAD that succeeded. Must be quick and must not throw. */
  readonly onChange: () => void;
}

/** Calls `onChange` when a request may have committed a change. */
export const afterChanges = fp(async (app, { onChange }: Options) => {
  app.addHook('onResponse', (request, reply, done) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead && reply.statusCode < 300) onChange();
    done();
  });
});
