import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';
import type { FastifyInstance } from 'fastify';
import { withNumbers } from './exact-numbers.ts';

const compile = SerializerSelector()();

type Compiler = Parameters<FastifyInstance['setSerializerCompiler']>[0];

/**
 * Fastify's own serializers, for answers that hold what `parseExact` has read. Problems are written as they are, since they
 * repeat what a client sent.
 */
export const exactSerializer: Compiler = ({ schema, method, url, httpStatus }) => {
  const write = compile({ schema, method, url, httpStatus: httpStatus ?? '' });
  const isProblem = httpStatus?.startsWith('2') === false;
  return isProblem ? write : (answer) => withNumbers(write(answer));
};
