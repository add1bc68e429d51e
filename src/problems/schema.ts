import { Type } from '@sinclair/typebox';

export const problemParamsSchema = Type.Object({
  code: Type.String({ description: 'The code of a problem, as in `type` (validation-failed) or as in `code`' }),
});

/** Shown in the document, and not validated: what is no entity tag matches none. */
export const problemHeadersSchema = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: '304 while one of these entity tags is current' })),
});

export const explanationSchema = Type.Object(
  {
    type: Type.String({ description: 'The path of this explanation' }),
    title: Type.String({ description: 'The kind of problem, in words' }),
    status: Type.Integer({ description: 'The status of answers with this problem' }),
    code: Type.String({ description: 'The kind of problem' }),
    cause: Type.String({ description: 'Why the problem arises' }),
    remedy: Type.String({ description: 'What a client can do about it' }),
  },
  { $id: 'ProblemExplanation' },
);
