/** Why the process cannot start, in one clear line for the person at the keyboard; printed, and the exit code is 1. */
export class StartError extends Error {
  override name = 'StartError';
}
