import fp from 'fastify-plugin';

/** Milliseconds between two rounds. */
const interval = 60_000;

interface Options {
  /** Deletes a small batch of outdated rows; returns whether there may be more. */
  readonly tidy: () => Promise<boolean>;
}

/** Deletes outdated rows once a minute, in small batches, so that no request waits for them. */
export const housekeeping = fp(async (app, { tidy }: Options) => {
  let round: Promise<void> = Promise.resolve();
  const goRound = async (): Promise<void> => {
    try {
      while (!app.draining() && (await tidy()));
    } catch (err) {
      app.log.warn({ err }, 'outdated rows were not deleted; the next round will try again');
    }
  };
  const timer = setInterval(() => {
    round = goRound();
  }, interval);
  timer.unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    await round;
  });
});
