// Writes the types of the example's client from openapi.json: `npm run example` and `npm run check` begin with this.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';

// openapi-typescript writes with TypeScript's JavaScript API, which TypeScript 7 does not have. It gets the TypeScript
// inside @ts-morph/common, since a second package of TypeScript would bring a second `tsc`.
const resolve = `export const resolve = (name, context, next) =>
  next(name === 'typescript' ? '@ts-morph/common/dist/typescript.js' : name, context)`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
const { default: openapiTS, astToString } = await import('openapi-typescript');

const at = (path) => new URL(`../${path}`, import.meta.url);
const types = await openapiTS(readFileSync(at('openapi.json'), 'utf8'));
mkdirSync(at('examples/generated'), { recursive: true });
writeFileSync(at('examples/generated/api.d.ts'), astToString(types));
