import { codeOf } from './error-code.ts';

/** The process cannot start. Its message, one line for the operator, is printed, and the exit code is 1. */
export class StartError extends Error {
  override name = 'StartError';
}

/**
 * Why the server cannot listen.
 * @param name of the variable that holds the port
 * @returns a StartError, or the error itself if its code is not a known one
 */
export function listenError(error: unknown, host: string, port: number, name = 'PORT'): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new StartError(
        `${name} ${port} on ${host} is taken by another program: stop that, or set another ${name}`,
      );
    case 'EACCES':
      return new StartError(`${name} ${port} needs rights that this user lacks: set another ${name}`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new StartError(`HOST ${host} is not an address of this machine: set another HOST`);
    default:
      return error;
  }
}
