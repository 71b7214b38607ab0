/** Numbers, times and words as people read them. Everything here is pure. */

const NONE = '–';

export function score(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : value.toFixed(2);
}

export function percent(ratio: number | null | undefined, digits = 0): string {
  if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return NONE;
  const value = ratio * 100;
  if (value > 0 && value < 1 && digits === 0) return '<1 %';
  return `${value.toFixed(digits)} %`;
}

/** A length of time in its two largest units: `38 min`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0.001) return '0 s';
  if (seconds < 1) return `${trim(seconds * 1000)} ms`;
  if (seconds < 60) return `${trim(seconds)} s`;
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  const [size, name] = units[first]!;
  let whole = Math.floor(seconds / size);
  const second = units[first + 1];
  // Seconds beside minutes only while they matter.
  if (!second || (name === 'min' && seconds >= 600)) return `${Math.round(seconds / size)} ${name}`;
  let rest = Math.round((seconds - whole * size) / second[0]);
  if (rest * second[0] >= size) {
    whole += 1;
    rest = 0;
  }
  return rest > 0 ? `${whole} ${name} ${rest} ${second[1]}` : `${whole} ${name}`;
}

/** How long ago, coarse: `now`, `12 s ago`, `4 min ago`. */
export function ago(at: string | number | null | undefined, now: number): string {
  if (at === null || at === undefined) return 'never';
  const seconds = Math.round((now - millis(at)) / 1000);
  if (seconds < 2) return 'now';
  return `${coarse(seconds)} ago`;
}

/** How long until, coarse: `in 4 min`; what is over is `over`. */
export function until(at: string | number, now: number): string {
  const seconds = Math.round((millis(at) - now) / 1000);
  return seconds <= 0 ? 'over' : `in ${coarse(seconds)}`;
}

function coarse(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function millis(at: string | number): number {
  return typeof at === 'number' ? at : Date.parse(at);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const CLOCK_S = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

export function clock(at: string | number, precise = false): string {
  return (precise ? CLOCK_S : CLOCK).format(millis(at));
}

/** The clock, with the day where it is not today. */
export function moment(at: string | number, now: number, precise = false): string {
  const then = millis(at);
  const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
  return sameDay ? clock(then, precise) : `${DAY.format(then)}, ${clock(then, precise)}`;
}

export function fullTime(at: string | number): string {
  return FULL.format(millis(at));
}

/** A number with at most three significant digits and no needless zeros. */
export function trim(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return String(Math.round(value));
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

export function count(value: number): string {
  return value.toLocaleString('en-GB');
}

/** Large numbers with k, M, G. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9)} G`;
  if (size >= 1e6) return `${trim(value / 1e6)} M`;
  if (size >= 1e4) return `${trim(value / 1e3)} k`;
  return trim(value);
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${trim(size)} ${units[unit]}`;
}

/** A value in its UCUM unit. `1` is a ratio where the metric's name says so. */
export function value(v: number | null | undefined, unit: string, metric = ''): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return NONE;
  switch (unit) {
    case 'By':
      return bytes(v);
    case 'By/s':
      return `${bytes(v)}/s`;
    case 's':
      return Math.abs(v) < 1e-9 ? '0 s' : `${v < 0 ? '−' : ''}${duration(Math.abs(v))}`;
    case 'ms':
      return duration(v / 1000);
    case '%':
      return `${trim(v)} %`;
    case '1':
    case 'ratio':
      return /utilization|ratio|share/.test(metric) || unit === 'ratio' ? percent(v, v < 0.1 ? 1 : 0) : short(v);
    case '':
      return /utilization|ratio/.test(metric) ? percent(v, v < 0.1 ? 1 : 0) : short(v);
    default:
      return `${short(v)} ${unit.replace(/[{}]/g, '')}`;
  }
}

/** `latency_p99` becomes `latency p99`; dots and slashes stay. */
export function words(name: string): string {
  return name.replace(/_/g, ' ').replace(/\bcpu\b/g, 'CPU');
}

export function sentence(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The unit of a vital sign, by its name. */
export function vitalUnit(vital: string): string {
  if (/utilization|ratio/.test(vital)) return 'ratio';
  if (/latency/.test(vital)) return 's';
  if (vital === 'memory_usage') return 'By';
  if (vital === 'request_rate') return '/s';
  return '';
}

/** One noun with its number: `1 alert`, `3 alerts`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `service:shop/orders` as kind and name. */
export function splitId(id: string): { kind: string; name: string } {
  const at = id.indexOf(':');
  if (at < 0) return { kind: '', name: id };
  return { kind: id.slice(0, at), name: decode(id.slice(at + 1)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
