/** The time range, as it stands in the address: `t=6h` follows live, `from=…&to=…` stands still. Pure. */

export type Range = { kind: 'live'; span: number } | { kind: 'fixed'; from: number; to: number };

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const PRESETS: { word: string; span: number; label: string }[] = [
  { word: '15m', span: 15 * MINUTE, label: 'Last 15 minutes' },
  { word: '1h', span: HOUR, label: 'Last hour' },
  { word: '6h', span: 6 * HOUR, label: 'Last 6 hours' },
  { word: '24h', span: DAY, label: 'Last 24 hours' },
  { word: '7d', span: 7 * DAY, label: 'Last 7 days' },
];

export const DEFAULT: Range = { kind: 'live', span: HOUR };
const SHORTEST = 10_000;
const LONGEST = 400 * DAY;

export interface Parts {
  t?: string;
  from?: string;
  to?: string;
}

/** `90m`, `6h`, `7d` in milliseconds. */
export function parseSpan(word: string): number | undefined {
  const match = /^(\d{1,5})(s|m|h|d)$/.exec(word.trim());
  if (!match) return undefined;
  const size = { s: 1000, m: MINUTE, h: HOUR, d: DAY }[match[2] as 's' | 'm' | 'h' | 'd'];
  const span = Number(match[1]) * size;
  return span >= SHORTEST && span <= LONGEST ? span : undefined;
}

export function spanWord(span: number): string {
  const preset = PRESETS.find((p) => p.span === span);
  if (preset) return preset.word;
  if (span % DAY === 0) return `${span / DAY}d`;
  if (span % HOUR === 0) return `${span / HOUR}h`;
  if (span % MINUTE === 0) return `${span / MINUTE}m`;
  return `${Math.max(10, Math.round(span / 1000))}s`;
}

/** Reads the address; what cannot be read is the default. */
export function parse(parts: Parts): Range {
  const from = parts.from ? Date.parse(parts.from) : NaN;
  const to = parts.to ? Date.parse(parts.to) : NaN;
  if (Number.isFinite(from) && Number.isFinite(to) && to - from >= SHORTEST && to - from <= LONGEST) {
    return { kind: 'fixed', from, to };
  }
  const span = parts.t ? parseSpan(parts.t) : undefined;
  return span ? { kind: 'live', span } : DEFAULT;
}

export function format(range: Range): Parts {
  if (range.kind === 'live') return { t: spanWord(range.span) };
  return { from: iso(range.from), to: iso(range.to) };
}

function iso(at: number): string {
  return new Date(Math.round(at / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

export function bounds(range: Range, now: number): { from: number; to: number } {
  return range.kind === 'live' ? { from: now - range.span, to: now } : { from: range.from, to: range.to };
}

/** Half a window earlier or later. Later than now follows live again. */
export function shift(range: Range, direction: -1 | 1, now: number): Range {
  const { from, to } = bounds(range, now);
  const by = ((to - from) / 2) * direction;
  if (to + by >= now) return { kind: 'live', span: to - from };
  return { kind: 'fixed', from: from + by, to: to + by };
}

/** Twice as wide around the same middle; a window at the live edge stays there. */
export function zoomOut(range: Range, now: number): Range {
  if (range.kind === 'live') return { kind: 'live', span: Math.min(range.span * 2, LONGEST) };
  const quarter = (range.to - range.from) / 2;
  const to = Math.min(range.to + quarter, now);
  const from = Math.max(range.from - quarter, to - LONGEST);
  return { kind: 'fixed', from, to };
}

export function zoomTo(from: number, to: number): Range {
  const middle = (from + to) / 2;
  const half = Math.max(to - from, SHORTEST) / 2;
  return { kind: 'fixed', from: middle - half, to: middle + half };
}

/** Follows live with the same width. */
export function follow(range: Range): Range {
  return range.kind === 'live' ? range : { kind: 'live', span: roundSpan(range.to - range.from) };
}

function roundSpan(span: number): number {
  return Math.max(SHORTEST, Math.round(span / MINUTE) * MINUTE || SHORTEST);
}

/** How often a page that follows live loads its curves anew, milliseconds. */
export function cadence(range: Range): number {
  if (range.kind === 'fixed') return 0;
  return Math.min(60_000, Math.max(5_000, range.span / 360));
}

/** What an input of the type `datetime-local` wants: local time to the minute, without a zone. */
export function local(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16);
}
