import { type Static, Type } from '@sinclair/typebox';

/** What stands in `demo.json`, readable by its owner alone: the keys, which the database does not hold. */
export const demoSchema = Type.Object({
  companyId: Type.String(),
  agentId: Type.String(),
  companyKey: Type.String(),
  atsKey: Type.String(),
});
export type Demo = Static<typeof demoSchema>;
