import { beginTestRun } from './test-run.ts';

/** For a run without a database of its own. What its files start ends with the run at the latest. */
export default function setup(): void {
  beginTestRun();
}
