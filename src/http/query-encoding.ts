import { complaints, type Fault, inParameter } from './faults.ts';

/**
 * A fault for each query parameter whose value is not valid percent-encoded UTF-8; the parser would use it undecoded.
 * `companyId` is skipped: check 7 has checked it.
 */
export function encodingFaults(url: string): readonly Fault[] {
  const start = url.indexOf('?');
  if (start === -1 || !url.includes('%', start)) return [];
  const pairs = url.slice(start + 1).split('&');
  const names = pairs.flatMap((pair) => {
    const [name = '', ...value] = pair.split('=');
    return decoded(value.join('=')) === undefined ? [decoded(name) ?? name] : [];
  });
  const wrong = new Set(names.filter((name) => name !== 'companyId'));
  return [...wrong].map((name) => inParameter('query', name, complaints.badEncoding()));
}

function decoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
