/** What a chart is made of. Pure. */
import type { State } from '@/time/verdict';

export interface Line {
  label: string;
  /** `null` is a hole, `undefined` only says that another line has a value at this time. */
  values: (number | null | undefined)[];
  /** A colour token. */
  token: string;
  /** The line that matters most is thicker. */
  main?: 'main';
}

/** An anomaly on the chart: a band with its words. */
export interface Band {
  from: number;
  to: number;
  state: State;
  words: string;
  /** Of what can be opened. */
  id?: string;
}

/** An intervention or a change on the time axis. */
export interface Flag {
  at: number;
  state: State;
  words: string;
  /** An intervention unless it says otherwise. */
  kind?: 'change';
}

/** Bands that overlap as one, so that many findings at a time do not darken the chart; the worst state counts. */
export function merged(bands: readonly Band[]): Band[] {
  const rank: State[] = ['bad', 'watch', 'idle', 'good'];
  const out: (Band & { count: number })[] = [];
  for (const band of [...bands].sort((a, b) => a.from - b.from)) {
    const last = out.at(-1);
    if (!last || band.from > last.to) {
      out.push({ ...band, count: 1 });
      continue;
    }
    last.to = Math.max(last.to, band.to);
    if (rank.indexOf(band.state) < rank.indexOf(last.state)) Object.assign(last, { state: band.state, words: band.words });
    last.count += 1;
  }
  return out.map(({ count, ...band }) => (count > 1 ? { ...band, words: `${band.words} and ${count - 1} more` } : band));
}

/** The band at a time that can be opened, the shortest first: it lies on top. `room` to either side still counts. */
export function bandAt(bands: readonly Band[], at: number, room: number): string | undefined {
  const there = bands.filter((b) => b.id && at >= b.from - room && at <= b.to + room);
  return [...there].sort((a, b) => a.to - a.from - (b.to - b.from))[0]?.id;
}

export function known(values: readonly (number | null | undefined)[]): number[] {
  return values.filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
}

/** A chart in one sentence for readers by ear. */
export function summary(title: string, lines: Line[], show: (v: number) => string, bands: Band[], flags: Flag[]): string {
  const parts = lines.map((line) => {
    const all = known(line.values);
    if (all.length === 0) return `${line.label}: no values`;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return `${line.label}: now ${show(all[all.length - 1]!)}, between ${show(low)} and ${show(high)}`;
  });
  const marks = [
    ...bands.slice(0, 5).map((b) => `anomaly: ${b.words}`),
    ...flags.slice(0, 5).map((f) => `${f.kind ?? 'intervention'}: ${f.words}`),
  ];
  return `${title}. ${[...parts, ...marks].join('. ')}.`;
}

/** At most `n` rows of a chart for its table, evenly chosen, the last always among them. */
export function rowsOf(times: number[], n: number): number[] {
  if (times.length <= n) return times.map((_, i) => i);
  const step = (times.length - 1) / (n - 1);
  return Array.from({ length: n }, (_, i) => Math.round(i * step));
}

type Column = (number | null | undefined)[];

/** Joins series with their own times onto one axis; where values stopped for a while the line is broken. */
export function align(series: { times_ms: number[]; values: (number | null)[] }[]): { times: number[]; columns: Column[] } {
  const broken = series.map((s) => withHoles(s.times_ms, s.values));
  const times = [...new Set(broken.flatMap((s) => s.times))].sort((a, b) => a - b);
  const place = new Map(times.map((t, i) => [t, i]));
  const columns = broken.map((s) => {
    const column: Column = new Array<undefined>(times.length).fill(undefined);
    s.times.forEach((t, i) => {
      column[place.get(t)!] = s.values[i] ?? null;
    });
    return column;
  });
  return { times, columns };
}

const HOLE_STEPS = 6;
const HOLE_MS = 90_000;

function withHoles(times: number[], values: (number | null)[]): { times: number[]; values: (number | null)[] } {
  const steps = times.slice(1).map((t, i) => t - times[i]!);
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  const bar = Math.max(usual * HOLE_STEPS, HOLE_MS);
  const out: { times: number[]; values: (number | null)[] } = { times: [], values: [] };
  times.forEach((t, i) => {
    const before = times[i - 1];
    if (before !== undefined && t - before > bar) {
      out.times.push(before + 1);
      out.values.push(null);
    }
    out.times.push(t);
    out.values.push(values[i] ?? null);
  });
  return out;
}

/** Labels of series by the attributes that tell them apart. */
export function labels(series: { attributes: Record<string, string> }[]): string[] {
  const keys = [...new Set(series.flatMap((s) => Object.keys(s.attributes)))];
  const telling = keys.filter((k) => new Set(series.map((s) => s.attributes[k])).size > 1);
  return series.map((s) => {
    const own = (telling.length > 0 ? telling : keys.slice(0, 1)).map((k) => s.attributes[k]).filter(Boolean);
    return own.join(', ') || 'value';
  });
}
