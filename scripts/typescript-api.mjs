// openapi-typescript needs TypeScript's JavaScript API, which TypeScript 7 does not have. Loaded by `node --import`,
// this file gives it the TypeScript inside @ts-morph/common; another package of TypeScript would install a second
// `tsc`.
import { register } from 'node:module';

const resolve = `export const resolve = (name, context, next) =>
  next(name === 'typescript' ? '@ts-morph/common/dist/typescript.js' : name, context)`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
