import { longest } from '../../src/http/deadline.ts';

/** Seconds from a request to the end of its answer, which may be read for 60 seconds: no drain needs longer. */
export const longestAnswer = Math.ceil(longest / 1_000) + 60;
