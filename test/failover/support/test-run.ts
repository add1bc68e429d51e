import { beginTestRun } from '../../support/test-run.ts';

/** The run has no database of its own: each file has its own cluster, which ends with the run at the latest. */
export default function setup(): void {
  beginTestRun();
}
