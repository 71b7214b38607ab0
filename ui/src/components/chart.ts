/** What a chart is made of. Pure. */
import type { State } from '@/time/verdict';

export interface Line {
  label: string;
  values: (number | null)[];
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
}

/** An intervention on the time axis. */
export interface Flag {
  at: number;
  state: State;
  words: string;
}

export function known(values: readonly (number | null)[]): number[] {
  return values.filter((v): v is number => v !== null && Number.isFinite(v));
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
    ...flags.slice(0, 5).map((f) => `intervention: ${f.words}`),
  ];
  return `${title}. ${[...parts, ...marks].join('. ')}.`;
}

/** At most `n` rows of a chart for its table, evenly chosen, the last always among them. */
export function rowsOf(times: number[], n: number): number[] {
  if (times.length <= n) return times.map((_, i) => i);
  const step = (times.length - 1) / (n - 1);
  return Array.from({ length: n }, (_, i) => Math.round(i * step));
}

/** Joins series with their own times onto one axis. */
export function align(series: { times_ms: number[]; values: (number | null)[] }[]): { times: number[]; columns: (number | null)[][] } {
  const times = [...new Set(series.flatMap((s) => s.times_ms))].sort((a, b) => a - b);
  const place = new Map(times.map((t, i) => [t, i]));
  const columns = series.map((s) => {
    const column: (number | null)[] = new Array<number | null>(times.length).fill(null);
    s.times_ms.forEach((t, i) => {
      column[place.get(t)!] = s.values[i] ?? null;
    });
    return column;
  });
  return { times, columns };
}
