import { Command } from '@commander-js/extra-typings';
import { toAnswer } from '../agents/answer.ts';
import { type AgentDraft, agentDraftSchema } from '../agents/schema.ts';
import { invalid } from '../http/problems.ts';
import { compile } from '../http/validation.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { jsonObject, uuid } from './arguments.ts';
import type { Print } from './services.ts';

/** What a new agent is unless the operator says otherwise. */
const defaults = { type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };

export function agentCommand(print: Print) {
  const agent = new Command('agent').description('agents');
  agent
    .command('create')
    .description('make an agent: ONLINE, GENERIC, EN, 30 minutes, unless --json says otherwise')
    .requiredOption('--company <id>', 'the company that owns it', uuid)
    .requiredOption('--name <text>', 'its name')
    .option('--json <fields>', 'its other fields, as PATCH takes them', jsonObject, {})
    .action(({ company, name, json }) =>
      print(async ({ companies, agents, operator }) => {
        await companies.requireCompany(company);
        const { agent } = await agents.create(company, checked({ ...defaults, ...json, name }), { operator });
        return toAnswer(agent);
      }),
    );
  agent
    .command('list')
    .description('the agents of a company, the newest first')
    .requiredOption('--company <id>', 'the company', uuid)
    .action(({ company }) =>
      print(async ({ companies, agentRows }) => {
        await companies.requireCompany(company);
        return (await agentRows.list(company)).map(toAnswer);
      }),
    );
  agent
    .command('delete')
    .description('delete an agent for everybody; its row and history stay')
    .requiredOption('--id <id>', 'the agent', uuid)
    .action(({ id }) =>
      print(async ({ agentRows, operator }) => {
        const deleted = await agentRows.delete(id, { operator });
        if (!deleted) throw new UnknownIdError('agent', id);
        return toAnswer(deleted);
      }),
    );
  agent
    .command('purge')
    .description('erase a deleted agent with its history, for deletion requests')
    .requiredOption('--id <id>', 'the agent', uuid)
    .action(({ id }) => print(({ agentRows, operator }) => agentRows.purge(id, operator)));
  return agent;
}

function checked(draft: object): AgentDraft {
  const validate = compile<AgentDraft>(agentDraftSchema, 'body');
  if (!validate(draft)) {
    const { first, count } = validate.faults;
    throw invalid(first, count);
  }
  return draft;
}
