import { Type } from '@sinclair/typebox';
import { companyQuerySchema } from '../../auth/schema.ts';
import { closed, nullable, timestamp } from '../../http/json-schema.ts';
import { pagedQuery, pageOf } from '../../http/pages.schema.ts';
import { agentParamsSchema } from '../request.schema.ts';
import { agentSchema } from '../schema.ts';

const version = (description: string) => Type.String({ format: 'version', description });

export const versionParamsSchema = Type.Object(
  { ...agentParamsSchema.properties, version: version('A version of the agent, from 1 on') },
  closed,
);

export const versionListQuerySchema = pagedQuery(companyQuerySchema.properties);

export const diffQuerySchema = Type.Object(
  {
    ...companyQuerySchema.properties,
    to: Type.Optional(version('The version to compare with; the current one by default')),
  },
  closed,
);

/** An entry of the history: who changed what, and when. */
const versionSchema = Type.Object(
  {
    version: Type.Integer({ description: 'The version that the change made' }),
    createdAt: timestamp('When the change was made, in UTC'),
    changedFields: Type.Array(Type.String(), {
      description: 'The fields that the change gave another value; all at version 1',
    }),
    keyId: nullable(
      Type.String({
        description: 'Id of the API key that made the change, as GET /api-key shows it; null for the operator',
      }),
    ),
    requestId: nullable(Type.String({ description: 'The request that made the change; null for the operator' })),
    restoredFrom: nullable(Type.Integer({ description: 'The version whose content was restored' })),
  },
  { $id: 'AgentVersion' },
);

export const versionListSchema = pageOf(versionSchema, 'AgentVersionPage');

export const versionedAgentSchema = Type.Object(
  {
    ...agentSchema.properties,
    companyPhoneNumberId: nullable(Type.String({ description: 'Id of the phone number for calls from the agent' })),
  },
  { $id: 'VersionedAgent' },
);

/** The differences between two versions. `before` or `after` is absent if there was no value. */
export const diffSchema = Type.Object(
  {
    from: Type.Integer({ description: 'The version before' }),
    to: Type.Integer({ description: 'The version after' }),
    changes: Type.Array(
      Type.Object({
        field: Type.String({ description: 'The field that differs' }),
        pointer: Type.Optional(Type.String({ description: 'Inside metadata: a JSON pointer (RFC 6901)' })),
        before: Type.Optional(Type.Any({ description: 'What was there' })),
        after: Type.Optional(Type.Any({ description: 'What is there' })),
      }),
    ),
  },
  { $id: 'AgentDiff' },
);
