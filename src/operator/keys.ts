import { Command, Option } from '@commander-js/extra-typings';
import { defaultScopes } from '../auth/api-key.ts';
import { block, filled, limit, scopeList, seconds, time, uuid } from './arguments.ts';
import type { Print } from './services.ts';

export function keyCommand(print: Print) {
  const key = new Command('key').description('API keys of companies and integrations');

  const withOwner = (name: string, description: string) =>
    key
      .command(name)
      .description(description)
      .addOption(new Option('--company <id>', 'of a company').argParser(uuid).conflicts('integration'))
      .addOption(new Option('--integration <id>', 'or of an integration').argParser(uuid));

  withOwner('create', 'make a key; it is shown this once')
    .option('--name <text>', 'a name for lists', filled)
    .option('--scopes <a,b>', 'what it may do', scopeList, defaultScopes)
    .option('--expires <iso>', 'when it ends, like 2030-01-31T12:00:00Z', time)
    .option('--allow-ip <cidr>', 'an address or block that may use it; may be repeated', block, [])
    .option('--per-minute <n>', "its own rate limit instead of the server's; 0 is none", limit)
    .option('--per-hour <n>', "its own rate limit instead of the server's; 0 is none", limit)
    .action(({ company, integration, allowIp: allowedIps, expires: expiresAt = null, ...options }, command) =>
      print(async ({ companies, keys }) => {
        const owner = await companies.requireOwner(ownerOf({ company, integration }, command));
        const { name = null, scopes, perMinute = null, perHour = null } = options;
        return keys.create({ ...owner, name, scopes, allowedIps, expiresAt, perMinute, perHour });
      }),
    );

  withOwner('list', 'the keys of an owner, the oldest first, without their secrets').action((options, command) =>
    print(async ({ companies, keys }) => keys.list(await companies.requireOwner(ownerOf(options, command)))),
  );

  const ofOne = (name: string, description: string) =>
    key.command(name).description(description).requiredOption('--key <id>', 'its id (not the key itself)', uuid);

  ofOne('rotate', 'make a new key in place of one, which ends after the overlap')
    .option('--overlap-seconds <n>', 'how long both work', seconds, 0)
    .action((options) => print(({ keys }) => keys.rotate(options.key, options.overlapSeconds)));
  ofOne('suspend', 'stop a key until it is resumed').action((of) => print(({ keys }) => keys.suspend(of.key)));
  ofOne('resume', 'let a suspended key go on').action((of) => print(({ keys }) => keys.resume(of.key)));
  ofOne('revoke', 'end a key for good').action((of) => print(({ keys }) => keys.revoke(of.key)));
  return key;
}

interface GivenOwner {
  readonly company?: string | undefined;
  readonly integration?: string | undefined;
}

function ownerOf({ company, integration }: GivenOwner, command: { error(message: string): never }) {
  if (company === undefined && integration === undefined) {
    command.error("error: one of the options '--company <id>' and '--integration <id>' is required");
  }
  return { companyId: company ?? null, integrationId: integration ?? null };
}
