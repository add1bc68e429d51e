/** The signals that ask a process to end: by a supervisor or `kill`, by Ctrl-C, and by a terminal that is closed. */
export const endSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
