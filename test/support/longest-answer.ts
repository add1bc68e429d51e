import { longest } from '../../src/http/deadline.ts';

/** Seconds from a request that has arrived to the end of its answer, which may be read for 60 seconds. */
export const longestAnswer = Math.ceil(longest / 1_000) + 60;
