import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** WCAG 2.2: relative luminance and contrast ratio. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi! + 0.05) / (lo! + 0.05);
}

const css = readFileSync(new URL('../../src/theme/tokens.css', import.meta.url), 'utf8');
const tokens = new Map<string, [string, string]>();
for (const [, name, light, dark] of css.matchAll(/--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/g)) {
  tokens.set(name!, [light!, dark!]);
}

const GROUNDS = ['bg', 'bg-raised', 'bg-sunken', 'bg-hover', 'bg-selected'];
const TEXTS = ['text', 'text-2', 'text-3', 'accent', 'good', 'watch', 'bad', 'idle'];
const pairs: [string, string, number][] = [
  ...TEXTS.flatMap((t) => GROUNDS.map((g): [string, string, number] => [t, g, 4.5])),
  ...['good', 'watch', 'bad', 'idle', 'accent'].map((s): [string, string, number] => [s, `${s}-ground`, 4.5]),
  ['text-inverse', 'accent', 4.5],
  ['text-inverse', 'accent-hover', 4.5],
  ['line-field', 'bg-raised', 3],
  ...[1, 2, 3, 4, 5, 6].map((n): [string, string, number] => [`series-${n}`, 'bg-raised', 4.5]),
];

test.each(pairs)('%s on %s reaches %s to 1 in both themes', (text, ground, bar) => {
  for (const theme of [0, 1] as const) {
    const ratio = contrast(tokens.get(text)![theme], tokens.get(ground)![theme]);
    expect(ratio, `${theme ? 'dark' : 'light'}: ${ratio.toFixed(2)}`).toBeGreaterThanOrEqual(bar);
  }
});
