// Writes the types of the example's client from openapi.json: `npm run example` and `npm run check` begin with this.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import './typescript-api.mjs';

const { default: openapiTS, astToString } = await import('openapi-typescript');

const at = (path) => new URL(`../${path}`, import.meta.url);
const types = await openapiTS(readFileSync(at('openapi.json'), 'utf8'));
mkdirSync(at('examples/generated'), { recursive: true });
writeFileSync(at('examples/generated/api.d.ts'), astToString(types));
