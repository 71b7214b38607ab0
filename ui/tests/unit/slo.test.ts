import { describe, expect, it } from 'vitest';
import type { BudgetForecast, Slo } from '@/api/types';
import { counts, draftOf, emptyForm, exact, faultsFrom, faultsOf, forecastWords, formOf, leftWords, onlyResource, promise, worstFirst } from '@/pages/slo/slo';

const slo = (name: string, state: string, left: number | null): Slo =>
  ({ name, status: { state, left }, sli: { kind: 'vital', vital: 'up', good_when: 'at_least', threshold: 1 }, description: 'd', target: 0.9995, window_days: 7, selector_resource: 'service:a' }) as Slo;

describe('objectives', () => {
  it('stand worst first: state, then what is left', () => {
    const all = [slo('calm', 'ok', 0.9), slo('new', 'loading', null), slo('quick', 'page', 0.5), slo('tight', 'ok', 0.1), slo('slow', 'ticket', 0.4), slo('gone', 'spent', -0.2)];
    expect(all.sort(worstFirst).map((s) => s.name)).toEqual(['quick', 'slow', 'gone', 'tight', 'calm', 'new']);
  });

  it('are never shown better than they are', () => {
    expect(exact(0.99996)).toBe('99.996 %');
    expect(exact(0.9999999)).toBe('99.999 %');
    expect(exact(0.995)).toBe('99.5 %');
    expect(exact(1)).toBe('100 %');
    expect(leftWords(-0.12)).toBe('12 % overspent');
    expect(leftWords(null)).toBe('–');
  });

  it('say for how long the budget lasts, and how sure that is', () => {
    const forecast = (gone_in_s: number | null, gone_in_soonest_s: number | null, gone_in_latest_s: number | null) => ({ gone_in_s, gone_in_soonest_s, gone_in_latest_s }) as BudgetForecast;
    expect(forecastWords(forecast(7200, 3600, 86_400), 30)).toBe('At the present rate the budget is used up in 2 h; at the recent rates between 1 h and 1 d.');
    expect(forecastWords(forecast(null, 3600, null), 30)).toMatch(/lasts for 30 days and on; at the fastest .* in 1 h, at the calmest never/);
    expect(forecastWords(forecast(null, null, null), 30)).toMatch(/at none of the recent rates/);
    expect(forecastWords(forecast(0, 0, 0), 30)).toBe('The budget is used up.');
  });

  it('are read into the form and back', () => {
    const form = formOf(slo('a', 'ok', 1));
    expect(form.target).toBe('99.95');
    expect(faultsOf(form)).toEqual({});
    expect(draftOf(form)).toEqual({ name: 'a', description: 'd', selector_kind: null, selector_resource: 'service:a', sli: { kind: 'vital', vital: 'up', metric: null, threshold: 1, good_when: 'at_least' }, target: 0.9995, window_days: 7 });
    expect(counts(draftOf(form).sli)).toBe('time with up at least 1');
    expect(promise({ ...draftOf(form).sli, kind: 'latency', threshold: 0.3 })).toBe('requests take at most 300 ms');
    expect(onlyResource({ selector_resource: 'service:*' })).toBeUndefined();
  });

  it('are refused with the fault at its field', () => {
    const form = { ...emptyForm(), name: ' ', resource: 'no such', counts: 'latency', threshold: '0', target: '100', days: '1.5' };
    expect(Object.keys(faultsOf(form)).sort()).toEqual(['days', 'name', 'resource', 'target', 'threshold']);
    expect(faultsOf({ ...emptyForm(), name: 'a', counts: 'metric' })).toHaveProperty('metric');
    expect(faultsFrom([{ pointer: '/sli/vital', detail: 'no vital sign' }, { pointer: '/slo/target', detail: 'too much' }, { detail: 'elsewhere' }])).toEqual({ vital: 'no vital sign', target: 'too much' });
  });
});
