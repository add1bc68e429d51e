import { execFile } from 'node:child_process';

/** The account that PostgreSQL runs as; without ids it is the one that runs this process. */
export interface OsUser {
  readonly name: string;
  readonly ids: { readonly uid: number; readonly gid: number } | undefined;
}

interface ProgramResult {
  readonly succeeded: boolean;
  /** What the program printed on both channels, or why it could not be started. */
  readonly output: string;
}

/** The whole environment of PostgreSQL's programs: no PG* variable reaches them, and their messages are in English. */
export const environment = { LC_ALL: 'C' } as const;

export const thisUser: OsUser = { name: 'this user', ids: undefined };

/** PostgreSQL refuses to run as root: then it runs as `postgres` if there is such an account, else as `nobody`. */
export async function chooseUser(): Promise<OsUser> {
  if (process.getuid?.() !== 0) return thisUser;
  for (const name of ['postgres', 'nobody']) {
    const { succeeded, output } = await runProgram(thisUser, '/bin/sh', ['-c', 'id -u "$1" && id -g "$1"', 'sh', name]);
    const [uid, gid] = output.split('\n');
    // As a signed number: on macOS, the id of `nobody` is 4294967294, which Node does not accept.
    if (succeeded) return { name, ids: { uid: Number(uid) | 0, gid: Number(gid) | 0 } };
  }
  return { name: 'nobody', ids: { uid: 65534, gid: 65534 } };
}

/** Runs a program to its end as a user, without supplementary groups. */
export function runProgram(user: OsUser, program: string, args: readonly string[]): Promise<ProgramResult> {
  return new Promise((resolve) => {
    execFile(program, args, { ...user.ids, cwd: '/', env: environment }, (error, stdout, stderr) =>
      resolve({ succeeded: error === null, output: `${stdout}${stderr}` || (error?.message ?? '') }),
    );
  });
}

const severity = /^.*?(FATAL|ERROR|PANIC|initdb: error): +/;

/** The last error in a program's output, or else its last line that may give a reason, without the severity in front. */
export function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => /\S/.test(line) && !/ (HINT|DETAIL|LOG): /.test(line));
  const line = lines.findLast((one) => severity.test(one)) ?? lines.at(-1) ?? 'no reason given';
  return line.replace(severity, '').trim();
}
