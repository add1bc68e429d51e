import { createHash } from 'node:crypto';
import { type ProblemCode, problemPath, problems } from '../http/problems.ts';
import { remedies } from './remedies.ts';

type Explanation = ReturnType<typeof explain>;

/** @param prefix of the paths that clients use (PUBLIC_URL) */
export const explain = (code: ProblemCode, prefix: string) => ({
  type: prefix + problemPath(code),
  title: problems[code].title,
  status: problems[code].status,
  code,
  ...remedies[code],
});

const style = `:root { color-scheme: light dark; }
body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 1.75rem 0 0.25rem; }
p { margin: 0.25rem 0; overflow-wrap: anywhere; }`;

/** The Content-Security-Policy of a page: nothing but its own style. */
export const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) => text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);

/** The explanation as a page for people. */
export const toHtml = ({ title, status, code, cause, remedy }: Explanation) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(`${code}: ${title}`)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p><code>${code}</code>, status ${status}</p>
<h2>Cause</h2>
<p>${escaped(cause)}</p>
<h2>Remedy</h2>
<p>${escaped(remedy)}</p>
</body>
</html>
`;
