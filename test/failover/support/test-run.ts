import { beginTestRun } from '../../support/test-run.ts';

/** No database for the run: each file has its own cluster, which ends with the run at the latest. */
export default function setup(): void {
  beginTestRun();
}
