import { effectScope } from 'vue';
import { beforeEach, expect, test, vi } from 'vitest';
import { address } from '@/api/client';
import { inner, live, onLive, pause, resume } from '@/stores/live';
import { meaning, useShortcuts } from '@/stores/shortcuts';

vi.mock('@/router', () => ({ router: { currentRoute: { value: { query: {} } } } }));

beforeEach(() => resume());

const event = (topic: string, data: unknown): string => JSON.stringify({ topic, data });

test('events reach their readers, and a pause holds them back without losing any', () => {
  const seen: unknown[] = [];
  const scope = effectScope();
  scope.run(() => onLive('ledger', (data) => seen.push(data)));
  inner.receive('ledger', event('ledger', { size: 1 }));
  pause();
  inner.receive('ledger', event('ledger', { size: 2 }));
  inner.receive('ledger', 'not json');
  expect(seen).toEqual([{ size: 1 }]);
  expect(live.held).toBe(1);
  resume();
  expect(seen).toEqual([{ size: 1 }, { size: 2 }]);
  expect(live.held).toBe(0);
  scope.stop();
  inner.receive('ledger', event('ledger', { size: 3 }));
  expect(seen).toHaveLength(2);
});

test('after too many held events the page is told to load anew', () => {
  const told: number[] = [];
  const scope = effectScope();
  scope.run(() => onLive('lagged', (n) => told.push(n)));
  pause();
  for (let i = 0; i < 501; i += 1) inner.receive('ledger', event('ledger', { size: i }));
  resume();
  expect(told).toEqual([1]);
  scope.stop();
});

test('two keys after each other mean one thing, and the newest page wins', () => {
  const act = vi.fn();
  const scope = effectScope();
  scope.run(() =>
    useShortcuts([
      { keys: 'g o', says: 'Overview', group: 'Go', act },
      { keys: 'a', says: 'first', group: 'x', act },
      { keys: 'a', says: 'second', group: 'x', act },
    ]),
  );
  expect(meaning('g', '').chain).toBe('g');
  expect(meaning('o', 'g').act?.says).toBe('Overview');
  expect(meaning('o', '').act).toBeUndefined();
  expect(meaning('a', 'g').act?.says).toBe('second');
  scope.stop();
  expect(meaning('a', '').act).toBeUndefined();
});

test('addresses leave out what is not set and encode the rest', () => {
  expect(address('/resources', { q: 'a b', kind: '', limit: 5, cursor: undefined })).toBe('/api/v1/resources?q=a+b&limit=5');
});
