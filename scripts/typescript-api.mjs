// openapi-typescript writes with TypeScript's JavaScript API, which TypeScript 7 does not have. With `node --import` of
// this it gets the TypeScript inside @ts-morph/common, since a second package of TypeScript would bring a second `tsc`.
import { register } from 'node:module';

const resolve = `export const resolve = (name, context, next) =>
  next(name === 'typescript' ? '@ts-morph/common/dist/typescript.js' : name, context)`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
