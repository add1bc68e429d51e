import type { Command } from '@commander-js/extra-typings';
import { toAnswer } from '../agents/answer.ts';
import { purgeAgent } from '../agents/purge.repository.ts';
import { type AgentDraft, agentDraftSchema } from '../agents/schema.ts';
import { UnknownIdError } from '../errors.ts';
import { invalid } from '../http/problems.ts';
import { compile } from '../http/validation.ts';
import { filled, jsonObject, uuid } from './arguments.ts';
import { commandOf, examples, ofCompany } from './command.ts';
import type { Print } from './output.ts';

/** Initial values of a new agent; `--json` replaces them. */
const defaults = { type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };

/** Options in the examples of the help text. */
const ofAgent = '--id 5b0f7c0e-0c53-4d0b-9a53-0f8f2c9f7a11';
const newAgent = `${ofCompany} --name 'First interview' --json '{"language":"DE","duration":45}'`;

export function agentCommands(agent: Command, print: Print) {
  agent.description('agents').addHelpText(...examples(`agent create ${newAgent}`, `agent list ${ofCompany}`));
  commandOf(agent, 'create', 'make an agent: ONLINE, GENERIC, EN, 30 minutes, unless --json says otherwise', newAgent)
    .requiredOption('--company <id>', 'the company that owns it', uuid)
    .requiredOption('--name <text>', 'its name', filled)
    .option('--json <fields>', 'its other fields, as PATCH takes them', jsonObject, {})
    .action(({ company, name, json }) =>
      print(async ({ companies, agents, operator }) => {
        await companies.requireCompany(company);
        const { agent } = await agents.create(company, checked({ ...defaults, ...json, name }), { operator });
        return toAnswer(agent);
      }),
    );
  commandOf(agent, 'list', 'the agents of a company, the newest first', ofCompany)
    .requiredOption('--company <id>', 'the company', uuid)
    .action(({ company }) =>
      print(async ({ companies, agentRows }) => {
        await companies.requireCompany(company);
        return (await agentRows.list(company)).map(toAnswer);
      }),
    );
  commandOf(agent, 'delete', 'delete an agent: no request finds it any more; its row and history stay', ofAgent)
    .requiredOption('--id <id>', 'the agent', uuid)
    .action(({ id }) =>
      print(async ({ agentRows, operator }) => {
        const deleted = await agentRows.delete({ id, by: { operator }, companyId: null, version: null });
        if (!deleted) throw new UnknownIdError('agent', id);
        return toAnswer(deleted);
      }),
    );
  commandOf(
    agent,
    'purge',
    'erase a deleted agent with its history, for deletion requests. Servers can run meanwhile. After an interruption, run it again',
    ofAgent,
  )
    .requiredOption('--id <id>', 'the agent', uuid)
    .action(({ id }) =>
      print(async ({ database, operator, requireOwnRelease }) => {
        await requireOwnRelease();
        return await purgeAgent(database, id, operator);
      }),
    );
}

function checked(draft: object): AgentDraft {
  const validate = compile<AgentDraft>(agentDraftSchema, 'body');
  if (!validate(draft)) {
    const { first, count } = validate.faults;
    throw invalid(first, count);
  }
  return draft;
}
