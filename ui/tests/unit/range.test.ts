import { describe, expect, test } from 'vitest';
import { bounds, cadence, DAY, DEFAULT, follow, format, HOUR, MINUTE, parse, shift, spanWord, zoomOut, zoomTo } from '@/time/range';

const now = Date.parse('2026-01-31T12:00:00Z');

describe('the time range in the address', () => {
  test.each([
    [{ t: '15m' }, { kind: 'live', span: 15 * MINUTE }],
    [{ t: '90m' }, { kind: 'live', span: 90 * MINUTE }],
    [{ t: '7d' }, { kind: 'live', span: 7 * DAY }],
    [{ t: 'soon' }, DEFAULT],
    [{ t: '0m' }, DEFAULT],
    [{ t: '999d' }, DEFAULT],
    [{}, DEFAULT],
    [{ from: '2026-01-31T10:00:00Z', to: '2026-01-31T11:00:00Z' }, { kind: 'fixed', from: now - 2 * HOUR, to: now - HOUR }],
    [{ from: '2026-01-31T11:00:00Z', to: '2026-01-31T10:00:00Z', t: '6h' }, { kind: 'live', span: 6 * HOUR }],
    [{ from: 'x', to: 'y' }, DEFAULT],
  ])('reads %o', (parts, expected) => {
    expect(parse(parts)).toEqual(expected);
  });

  test('reads back what it writes', () => {
    for (const range of [parse({ t: '24h' }), parse({ t: '90m' }), zoomTo(now - 5 * MINUTE, now - MINUTE)]) {
      expect(parse(format(range))).toEqual(range);
    }
  });

  test('words of spans are the shortest', () => {
    expect([HOUR, 2 * HOUR, DAY, 2 * DAY, 90 * MINUTE, 30_000].map(spanWord)).toEqual(['1h', '2h', '24h', '2d', '90m', '30s']);
  });
});

describe('moving in time', () => {
  test('back from live stands still, forward to now follows live', () => {
    const back = shift({ kind: 'live', span: HOUR }, -1, now);
    expect(back).toEqual({ kind: 'fixed', from: now - 1.5 * HOUR, to: now - 0.5 * HOUR });
    expect(shift(back, 1, now)).toEqual({ kind: 'live', span: HOUR });
  });

  test('zooming out doubles and never looks into the future', () => {
    expect(zoomOut({ kind: 'live', span: HOUR }, now)).toEqual({ kind: 'live', span: 2 * HOUR });
    const wide = zoomOut({ kind: 'fixed', from: now - HOUR, to: now - 0.1 * HOUR }, now);
    expect(bounds(wide, now).to).toBeLessThanOrEqual(now);
    expect(bounds(wide, now).from).toBeLessThan(now - HOUR);
  });

  test('a zoom is never narrower than ten seconds', () => {
    const { from, to } = bounds(zoomTo(now, now + 1), now);
    expect(to - from).toBe(10_000);
  });

  test('following keeps the width', () => {
    expect(follow({ kind: 'fixed', from: now - 3 * HOUR, to: now })).toEqual({ kind: 'live', span: 3 * HOUR });
  });

  test('narrow windows are refreshed more often, fixed ones never', () => {
    expect(cadence({ kind: 'live', span: 15 * MINUTE })).toBe(5_000);
    expect(cadence({ kind: 'live', span: 7 * DAY })).toBe(60_000);
    expect(cadence({ kind: 'fixed', from: 0, to: 1 })).toBe(0);
  });
});
