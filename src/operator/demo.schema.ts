import { type Static, Type } from '@sinclair/typebox';

/** The content of `demo.json` (mode 0600): the demo's keys, which the database does not have. */
export const demoSchema = Type.Object({
  companyId: Type.String(),
  agentId: Type.String(),
  companyKey: Type.String(),
  atsKey: Type.String(),
});
export type Demo = Static<typeof demoSchema>;
