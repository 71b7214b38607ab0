import { describe, expect, test } from 'vitest';
import { ago, bytes, duration, percent, plural, score, short, splitId, until, value } from '@/time/format';

describe('numbers as people read them', () => {
  test.each([
    [0.0004, '0 s'],
    [0.025, '25 ms'],
    [1.5, '1.5 s'],
    [59, '59 s'],
    [90, '1 min 30 s'],
    [119.7, '2 min'],
    [2280, '38 min'],
    [7500, '2 h 5 min'],
    [7199, '2 h'],
    [86400 * 3 + 3600 * 4, '3 d 4 h'],
    [NaN, '–'],
    [null, '–'],
  ])('a duration of %s s is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  test.each([
    [0.614, '61 %'],
    [0.004, '<1 %'],
    [0, '0 %'],
    [1, '100 %'],
    [undefined, '–'],
  ])('a ratio of %s is %s', (ratio, text) => {
    expect(percent(ratio)).toBe(text);
  });

  test.each([
    [1536, 'By', '', '1.5 KiB'],
    [0.25, 's', '', '250 ms'],
    [0.42, '1', 'system.cpu.utilization', '42 %'],
    [0.042, '1', 'system.cpu.utilization', '4.2 %'],
    [42, '1', 'process.threads', '42'],
    [12.345, '{requests}', '', '12.3 requests'],
    [25_000, '', 'up_total', '25 k'],
    [Infinity, 's', '', '–'],
  ])('%s %s of %s is %s', (v, unit, metric, text) => {
    expect(value(v, unit, metric)).toBe(text);
  });

  test('scores have two digits, absent ones a dash', () => {
    expect([score(0.4), score(null)]).toEqual(['0.40', '–']);
    expect([bytes(0), short(1_500_000), plural(1, 'alert'), plural(1200, 'alert')]).toEqual(['0 B', '1.5 M', '1 alert', '1,200 alerts']);
  });
});

describe('times', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  test('age and time left are coarse', () => {
    expect(ago('2026-01-31T11:59:59.500000Z', now)).toBe('now');
    expect(ago('2026-01-31T11:59:30Z', now)).toBe('30 s ago');
    expect(ago(null, now)).toBe('never');
    expect(until('2026-01-31T12:14:30Z', now)).toBe('in 14 min');
    expect(until('2026-01-31T11:00:00Z', now)).toBe('over');
  });
});

test('ids come apart and are decoded', () => {
  expect(splitId('service:shop/orders')).toEqual({ kind: 'service', name: 'shop/orders' });
  expect(splitId('host:a%20b')).toEqual({ kind: 'host', name: 'a b' });
  expect(splitId('host:50%')).toEqual({ kind: 'host', name: '50%' });
});
