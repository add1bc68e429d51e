// A white background of its own, because the page may be light or dark.
export const ink = '#1f2933';
export const faint = '#616e7c';
export const rule = '#d9dfe5';

interface TextStyle {
  readonly size: number;
  readonly fill?: string;
  readonly weight?: number;
  readonly anchor?: 'middle' | 'end';
  /** Hides the grid lines behind the text. */
  readonly halo?: boolean;
}

export function text(x: number, y: number, content: string, style: TextStyle): string {
  const { size, fill = ink, weight = 400, anchor = 'start', halo = false } = style;
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const around = halo ? ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' : '';
  return `<text x="${fixed(x)}" y="${fixed(y)}" font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}"${around}>${escaped}</text>`;
}

export function box(x: number, y: number, boxWidth: number, boxHeight: number, fill = faint): string {
  return `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(boxWidth)}" height="${fixed(boxHeight)}" rx="1.5" fill="${fill}"/>`;
}

const fixed = (number: number) => Math.round(number * 10) / 10;
