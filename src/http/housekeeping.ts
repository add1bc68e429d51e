import fp from 'fastify-plugin';

/** Milliseconds between two runs. */
const interval = 60_000;

interface Options {
  /** Deletes a small batch of outdated rows; returns whether there may be more. */
  readonly deleteOutdated: () => Promise<boolean>;
}

/** Deletes outdated rows once a minute, in small batches, so that no request waits for them. */
export const housekeeping = fp(async (app, { deleteOutdated }: Options) => {
  let running: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    try {
      while (!app.draining() && (await deleteOutdated()));
    } catch (err) {
      app.log.warn({ err }, 'outdated rows were not deleted; the next attempt is in a minute');
    }
  };
  const timer = setInterval(() => {
    running = run();
  }, interval);
  timer.unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    await running;
  });
});
