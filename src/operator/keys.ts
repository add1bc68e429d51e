import { type Command, Option } from '@commander-js/extra-typings';
import { defaultScopes } from '../auth/api-key.ts';
import { block, blockOrNone, cleared, expiry, filled, limit, orNone, scopeList, seconds, uuid } from './arguments.ts';
import { commandOf, examples, ofCompany, ownerOf, withOwner } from './command.ts';
import type { Print } from './output.ts';

/** Options in the examples of the help text. */
const ofKey = '--key 9a0c2f6e-1d5b-4b7e-8c3f-5e6d7c8b9a01';

/** @param stdin where `key find` reads the key if it is not given as an option */
export function keyCommands(key: Command, print: Print, stdin: AsyncIterable<unknown>) {
  key
    .description('API keys of companies and integrations')
    .addHelpText(...examples(`key create ${ofCompany} --name Production`, `key list ${ofCompany}`));

  withOwner(
    key,
    'create',
    'make a key; it is shown this once',
    `${ofCompany} --name Production --allow-ip 192.0.2.0/24`,
    '--integration 7d1b4c1e-7a55-4c37-9d0c-6a0f7e0b9a10 --scopes read:agents --expires 2030-01-31',
  )
    .option('--name <text>', 'a name for lists', filled)
    .option('--scopes <a,b>', 'what it may do', scopeList, defaultScopes)
    .option('--expires <iso>', 'when it ends, like 2030-01-31T12:00:00Z', expiry)
    .option('--allow-ip <cidr>', 'an address or block that may use it; may be repeated', block, [])
    .option('--per-minute <n>', "its own rate limit instead of the server's; 0 is no limit", limit)
    .option('--per-hour <n>', "its own rate limit instead of the server's; 0 is no limit", limit)
    .action(({ company, integration, allowIp: allowedIps, expires: expiresAt = null, ...options }, command) => {
      const owner = ownerOf({ company, integration }, command);
      const { name = null, scopes, perMinute = null, perHour = null } = options;
      const settings = { name, scopes, allowedIps, expiresAt, perMinute, perHour };
      return print(async ({ companies, keys }) =>
        keys.create({ ...(await companies.requireOwner(owner)), ...settings }),
      );
    });

  withOwner(key, 'list', 'keys, the oldest first, without their secrets', ofCompany, '--all')
    .addOption(new Option('--all', 'or of all owners').conflicts(['company', 'integration']))
    .action(({ all, ...of }, command) => {
      const owner = all ? undefined : ownerOf(of, command, ", or '--all',");
      return print(async ({ companies, keys }) => keys.list(owner && (await companies.requireOwner(owner))));
    });

  commandOf(
    key,
    'find',
    'the owner and the state of a key, such as one that has leaked; the key is not shown again',
    '< leaked-key.txt',
    '--key sk_…',
  )
    .option(
      '--key <key>',
      'the key itself; without it, it is read from standard input, where other users cannot see it',
    )
    .action((options) =>
      print(async ({ keySettings }) => keySettings.find((options.key ?? (await firstLine(stdin))).trim())),
    );

  const ofOne = (name: string, description: string, ...options: readonly string[]) =>
    commandOf(key, name, description, ...options).requiredOption('--key <id>', 'its id (not the key itself)', uuid);

  ofOne('rotate', 'make a new key in place of one, which ends after the overlap', `${ofKey} --overlap-seconds 86400`)
    .option('--overlap-seconds <n>', 'how long both work', seconds, 0)
    .action((options) => print(({ keys }) => keys.rotate(options.key, options.overlapSeconds)));
  ofOne('suspend', 'stop a key until it is resumed', ofKey).action(({ key: id }) =>
    print(({ keys }) => keys.suspend(id)),
  );
  ofOne('resume', 'make a suspended key valid again', ofKey).action(({ key: id }) =>
    print(({ keys }) => keys.resume(id)),
  );
  ofOne('revoke', 'end a key for good', ofKey).action(({ key: id }) => print(({ keys }) => keys.revoke(id)));
  ofOne(
    'update',
    'change what a key may do; what is not given stays',
    `${ofKey} --name Production --expires 2030-01-31`,
    `${ofKey} --allow-ip 192.0.2.7 --allow-ip 2001:db8::/32 --per-minute 1200`,
    `${ofKey} --per-minute none --expires none --allow-ip none`,
  )
    .option('--name <text>', 'its name for lists', filled)
    .option('--scopes <a,b>', 'what it may do; replaces its scopes', scopeList)
    .option('--expires <iso>', 'when it ends; none: never', orNone(expiry))
    .option('--allow-ip <cidr>', 'replaces its list; may be repeated; none: any address', blockOrNone)
    .option('--per-minute <n>', "its own rate limit; 0 is no limit; none: the server's", orNone(limit))
    .option('--per-hour <n>', "its own rate limit; 0 is no limit; none: the server's", orNone(limit))
    .action(({ key: id, name, scopes, allowIp: allowedIps, expires, perMinute, perHour }, command) => {
      const limits = { perMinute: cleared(perMinute), perHour: cleared(perHour) };
      const settings = { name, scopes, allowedIps, ...limits, expiresAt: cleared(expires) };
      if (Object.values(settings).every((value) => value === undefined)) {
        command.error("error: give at least one option besides '--key <id>': what is to be changed");
      }
      return print(({ keySettings }) => keySettings.update(id, settings));
    });
}

/** Maximum number of characters that are read to find the first line; a key has 46. */
const longestLine = 1_000;

async function firstLine(stdin: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const part of stdin) {
    text += String(part);
    if (text.includes('\n') || text.length > longestLine) break;
  }
  return text.split('\n', 1)[0] ?? '';
}
