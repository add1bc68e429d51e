import fp from 'fastify-plugin';

/** Milliseconds from one round to the next. */
const interval = 60_000;

interface Options {
  /** Takes away what nobody needs any more; returns whether there may be more of it. */
  readonly tidy: () => Promise<boolean>;
}

/** What is done beside the requests, from time to time: in small pieces, so that none of them waits. */
export const housekeeping = fp(async (app, { tidy }: Options) => {
  let round: Promise<void> = Promise.resolve();
  const goRound = async (): Promise<void> => {
    try {
      while (!app.draining() && (await tidy()));
    } catch (err) {
      app.log.warn({ err }, 'what is out of date stays for now');
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
