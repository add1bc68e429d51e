/** A request of the page and the answer below it. */
interface Example {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
  };
  readonly answer: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body?: unknown;
    /** Whether the page shows the whole body, without an ellipsis. */
    readonly isWhole: boolean;
  };
}

interface Section {
  readonly title: string;
  readonly examples: readonly Example[];
}

/**
 * The sections of the contract page, each with its examples in order: `http` blocks, requests and answers alternately.
 */
export function sectionsOf(page: string): Section[] {
  return page
    .split(/^#{2,3} /m)
    .slice(1)
    .map((text) => {
      const blocks = [...text.matchAll(/^```http\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
      const [title = ''] = text.split('\n');
      if (blocks.length % 2 !== 0) throw new Error(`${title}: a request without an answer`);
      const examples = Array.from({ length: blocks.length / 2 }, (_, at) => ({
        request: readRequest(blocks[2 * at] ?? ''),
        answer: readAnswer(blocks[2 * at + 1] ?? ''),
      }));
      return { title, examples };
    });
}

/** The anchors of the page's headings, as GitHub makes them. */
export const headingsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

function readRequest(block: string): Example['request'] {
  const { first, headers, body } = readMessage(block);
  const [method = '', path = ''] = first.split(' ');
  return { method, path, headers, ...(body !== undefined && { body }) };
}

function readAnswer(block: string): Example['answer'] {
  const { first, headers, body } = readMessage(block);
  const isWhole = body !== undefined && !/[,\s]…\s*[}\]]/.test(body);
  const text = body?.replaceAll(/,?\s*…(?=\s*[}\]])/g, '');
  return { status: Number(first), headers, isWhole, ...(text !== undefined && { body: JSON.parse(text) }) };
}

function readMessage(block: string) {
  const [head = '', ...rest] = block.trimEnd().split('\n\n');
  const [first = '', ...lines] = head.split('\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { first, headers, body: rest.length > 0 ? rest.join('\n\n') : undefined };
}
