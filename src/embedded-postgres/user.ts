import { spawn } from 'node:child_process';

/** The account that PostgreSQL runs as; without ids it is the one that runs this process. */
export interface OsUser {
  readonly name: string;
  readonly ids: { readonly uid: number; readonly gid: number } | undefined;
}

export interface Outcome {
  /** The exit code; null when the program never ran or was killed. */
  readonly code: number | null;
  /** What it printed on both channels, or why it never ran. */
  readonly output: string;
}

/** PostgreSQL refuses to run as root: then it runs as `postgres` if there is such an account, else as `nobody`. */
export async function chooseUser(): Promise<OsUser> {
  if (process.getuid?.() !== 0) return { name: 'this user', ids: undefined };
  return (
    (await account('postgres')) ?? (await account('nobody')) ?? { name: 'nobody', ids: { uid: 65534, gid: 65534 } }
  );
}

async function account(name: string): Promise<OsUser | undefined> {
  const root: OsUser = { name: 'root', ids: undefined };
  const { code, output } = await run(root, '/bin/sh', ['-c', 'id -u "$1" && id -g "$1"', 'sh', name]);
  if (code !== 0) return undefined;
  const [uid, gid] = output.split('\n');
  // Made signed: macOS gives nobody the id 4294967294, and Node takes no number that large.
  return { name, ids: { uid: Number(uid) | 0, gid: Number(gid) | 0 } };
}

/** Runs a program to its end as a user, without a terminal, without supplementary groups and with an empty environment. */
export function run(user: OsUser, program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      ...user.ids,
      cwd: '/',
      env: plainEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: string): void => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Settings of libpq and locales in the caller's environment must not reach PostgreSQL; its messages are read here. */
export const plainEnvironment = { LC_ALL: 'C' } as const;

/** Whether the user may enter a directory: asked of the system, since access lists and mounts have a say too. */
export async function canEnter(user: OsUser, directory: string): Promise<boolean> {
  return (await run(user, '/bin/sh', ['-c', 'cd "$1"', 'sh', directory])).code === 0;
}

/** The last line of a program's output that says something, without the severity in front. */
export function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => /\S/.test(line) && !/ (HINT|DETAIL|LOG): /.test(line));
  return (lines.at(-1) ?? 'no reason given').replace(/^.*?(FATAL|ERROR|PANIC): +/, '').trim();
}
