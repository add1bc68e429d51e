import { Type } from '@sinclair/typebox';

export const healthySchema = Type.Object({ status: Type.String({ examples: ['ok'] }) }, { $id: 'Health' });
