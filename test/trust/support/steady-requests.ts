/**
 * Sends a request every 20 ms, without waiting for the previous answer; returns the status and the time of each answer.
 */
export async function sendSteadily(request: () => Promise<{ readonly status: number }>, until: Promise<unknown>) {
  const running: Promise<{ readonly status: number; readonly after: number }>[] = [];
  const timed = async () => {
    const start = performance.now();
    const { status } = await request().catch(() => ({ status: 0 }));
    return { status, after: performance.now() - start };
  };
  const timer = setInterval(() => running.push(timed()), 20);
  await until.finally(() => clearInterval(timer));
  return await Promise.all(running);
}

export const percentile = (times: readonly number[], part: number) =>
  times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1] ?? Number.NaN;
