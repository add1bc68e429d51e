let ticks = 0;
setInterval(() => {
  ticks += 1;
}, 10).unref();

/** The time in milliseconds by a timer of this process: while the machine stands still, it does too. */
export const tickedTime = () => ticks * 10;
