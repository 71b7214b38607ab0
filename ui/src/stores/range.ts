import { computed } from 'vue';
import { router } from '@/router';
import { now } from './clock';
import { bounds, cadence, follow, format, parse, shift, zoomOut, zoomTo, type Parts, type Range } from '@/time/range';

/** The time range of the page. It lives in the address and nowhere else. */
export const range = computed<Range>(() => {
  const { t, from, to } = router.currentRoute.value.query;
  const one = (v: unknown): string | undefined => (typeof v === 'string' ? v : undefined);
  return parse({ t: one(t), from: one(from), to: one(to) });
});

/** A text that changes when the range does, but not when time passes. */
export const rangeKey = computed(() => JSON.stringify(format(range.value)));

export function set(next: Range, way: 'push' | 'replace' = 'push'): void {
  const route = router.currentRoute.value;
  const { t: _t, from: _from, to: _to, ...rest } = route.query;
  void router[way]({ path: route.path, hash: route.hash, query: { ...rest, ...(format(next) as Parts) } });
}

export const moveBy = (direction: -1 | 1): void => set(shift(range.value, direction, now.value));
export const widen = (): void => set(zoomOut(range.value, now.value));
export const narrow = (from: number, to: number): void => set(zoomTo(from, to));
export const followLive = (): void => set(follow(range.value));

/** The bounds at this moment. */
export function current(): { from: number; to: number } {
  return bounds(range.value, Date.now());
}

/** The bounds as query parameters. */
export function asQuery(): { from: string; to: string } {
  const { from, to } = current();
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

export const refreshMs = (): number => cadence(range.value);

/** The part of the address that goes along from page to page. */
export function carried(query: Record<string, unknown>): Parts {
  const parts: Parts = {};
  for (const name of ['t', 'from', 'to'] as const) {
    if (typeof query[name] === 'string') parts[name] = query[name];
  }
  return parts;
}
