import { describe, expect, test } from 'vitest';
import type { Assessment, Playbook, QueryAnswer, Resource } from '@/api/types';
import { align, bandAt, labels, merged, rowsOf, summary } from '@/components/chart';
import { match } from '@/components/match';
import { asCsv } from '@/pages/data/table';
import { changes } from '@/pages/intervention/diff';
import { draftOf, faultsOf, formOf, type Form } from '@/pages/intervention/draft';
import { isOf, judgedNames, unitOf } from '@/pages/resource/judged';
import { pieces } from '@/pages/playbook/highlight';
import { read } from '@/stores/preferences';
import { cause, stateOf, stateOfModel, stateWord, worstFirst } from '@/time/verdict';

function verdict(score: number, probability: number): Assessment {
  return {
    resource_id: 'service:a', at: '', last_signal_at: '', series: 1, score,
    components: [
      { name: 'error', score, weight: 0.5, reasons: [{ metric: 'm', value: 1, expected: 0, contribution: 0.4, words: 'requests fail' }] },
      { name: 'resource', score, weight: 0.1, reasons: [{ metric: 'n', value: 1, expected: 0, contribution: 0.9, words: 'memory is full' }] },
    ],
    risk: { probability, horizon_s: 900, predictable: true, likely_in_s: null, features: [], horizons: [] },
    vitals: {}, anomalies: [], drift: [], exhaustion: [],
  };
}

describe('evidence', () => {
  test('a click opens the shortest band that is there, and none where none can be opened', () => {
    const band = (from: number, to: number, id?: string) => ({ from, to, state: 'bad' as const, words: '', id });
    const all = [band(0, 100, 'long'), band(40, 60, 'short'), band(200, 201), band(300, 301, 'thin')];
    expect([bandAt(all, 50, 0), bandAt(all, 80, 0), bandAt(all, 150, 0), bandAt(all, 200, 0), bandAt(all, 304, 4)]).toEqual(['short', 'long', undefined, undefined, 'thin']);
  });

  test('a metric is judged under the names that verdicts give its parts, in the unit of its vital sign', () => {
    const a = { ...verdict(0.9, 0.1), vitals: { latency_p99: { value: 1, normal: null, metric: 'http.duration p99' } } };
    expect([isOf('disk', 'disk{dev=a}'), isOf('disk', 'disk.io'), isOf('disk', 'disk p99')]).toEqual([true, false, true]);
    expect(judgedNames('http.duration', a, [{ metric: 'http.duration p50' }, { metric: 'other' }])).toEqual(['http.duration p50', 'http.duration p99']);
    expect(judgedNames('queue', a, [])).toEqual(['queue']);
    expect([unitOf('http.duration p99', a, 'By'), unitOf('queue', a, 'By')]).toEqual(['s', 'By']);
  });
});

describe('verdicts', () => {
  test.each([
    [0.9, 0.1, 'good'],
    [0.69, 0.1, 'watch'],
    [0.7, 0.5, 'good'],
    [0.9, 0.71, 'watch'],
    [0.39, 0.1, 'bad'],
    [0.9, 0.9, 'bad'],
  ])('a score of %s with a risk of %s is %s', (score, risk, state) => {
    expect(stateOf(verdict(score, risk))).toBe(state);
  });

  test('a version of the risk model is in use, waits, is retired or cannot be used', () => {
    const word = (state: string, in_use: boolean): string => stateOfModel({ state, in_use, unused_because: null }).word;
    expect([word('champion', true), word('challenger', false), word('retired', false), word('champion', false)]).toEqual(['In use', 'Waits in the shadow', 'Retired', 'Cannot be used']);
  });

  test('without an assessment there is no verdict and no cause', () => {
    expect(stateOf(undefined)).toBe('idle');
    expect(cause(undefined)).toBe('');
  });

  test('the cause is the reason that weighs most, not the largest one', () => {
    expect(cause(verdict(0.3, 0.2))).toBe('requests fail');
  });

  test('the worst comes first and the unjudged last', () => {
    const of = (id: string, a?: Assessment): Resource => ({ id, kind: 'service', name: id, attributes: {}, first_seen: '', last_seen: '', trend: [], assessment: a });
    const all = [of('new'), of('fine', verdict(0.95, 0)), of('risky', verdict(0.9, 0.9)), of('low', verdict(0.2, 0.1))];
    expect(all.sort(worstFirst).map((r) => r.id)).toEqual(['low', 'risky', 'fine', 'new']);
  });

  test('a state that is not known is shown as it is', () => {
    expect(stateWord('dreaming')).toEqual({ state: 'idle', word: 'dreaming' });
  });
});

describe('charts', () => {
  test('series with different times share one axis', () => {
    expect(align([{ times_ms: [1, 2], values: [10, 20] }, { times_ms: [2, 3], values: [7, 8] }])).toEqual({ times: [1, 2, 3], columns: [[10, 20, undefined], [undefined, 7, 8]] });
  });

  test('a line is broken where values stopped, not where they are merely rare', () => {
    const dense = [0, 10_000, 20_000, 30_000, 630_000, 640_000];
    expect(align([{ times_ms: dense, values: [1, 1, 1, 1, 2, 2] }]).columns[0]).toEqual([1, 1, 1, 1, null, 2, 2]);
    const rare = [0, 600_000, 1_200_000];
    expect(align([{ times_ms: rare, values: [1, 1, 1] }]).columns[0]).toEqual([1, 1, 1]);
  });

  test('labels say what tells series apart', () => {
    const of = (attributes: Record<string, string>): { attributes: Record<string, string> } => ({ attributes });
    expect(labels([of({ device: 'sda', mode: 'rw' }), of({ device: 'sdb', mode: 'rw' })])).toEqual(['sda', 'sdb']);
    expect(labels([of({ device: 'sda', mode: 'rw' })])).toEqual(['sda']);
    expect(labels([of({})])).toEqual(['value']);
  });

  test('a table shows the first and the last row', () => {
    const rows = rowsOf(Array.from({ length: 1000 }, (_, i) => i), 60);
    expect([rows.length, rows[0], rows[59]]).toEqual([60, 0, 999]);
  });

  test('the summary says now, least, most and what happened', () => {
    const text = summary('CPU', [{ label: 'a', values: [1, null, 3, 2], token: '--x' }], String, [{ from: 0, to: 1, state: 'bad', words: 'spike' }], []);
    expect(text).toBe('CPU. a: now 2, between 1 and 3. anomaly: spike.');
  });
});

test('before and after become the fewest changed lines', () => {
  expect(changes('a\nb\nc', 'a\nx\nc').map((c) => `${c.kind} ${c.text}`)).toEqual(['same a', 'before b', 'after x', 'same c']);
  expect(changes('', 'a').filter((c) => c.kind === 'after')).toHaveLength(1);
});

describe('a manual proposal', () => {
  const form: Form = { target: ' service:shop/orders ', kind: 'reactive', risk: 'medium', actuator: 'process', action: 'scale', arguments: 'replicas=3\nnote=a=b', argv: '', success: '', verify: '120', reason: 'slow' };

  test('is read from the form', () => {
    expect(faultsOf(form)).toEqual({});
    expect(draftOf(form)).toMatchObject({ target: 'service:shop/orders', steps: [{ action: 'scale', arguments: { replicas: '3', note: 'a=b' } }], success: [], verify_within_s: 120 });
  });

  test.each([
    [{ target: 'orders' }, 'target'],
    [{ action: ' ' }, 'action'],
    [{ arguments: 'replicas' }, 'arguments'],
    [{ actuator: 'command' }, 'argv'],
    [{ verify: '0' }, 'verify'],
    [{ reason: '' }, 'reason'],
  ])('with %o it names the field %s', (change, field) => {
    expect(Object.keys(faultsOf({ ...form, ...change }))).toEqual([field]);
  });
});

describe('the editor', () => {
  test.each(['name: x # why', '  - action: "re#start"', 'steps:', '', '# all', 'when: a > 0.5 && b == "x"', 'cooldown: 10m'])('loses nothing of %s', (line) => {
    expect(pieces(line).map((p) => p.text).join('')).toBe(line);
  });

  test('knows keys, numbers and comments', () => {
    expect(pieces('cooldown: 10m # least').map((p) => p.kind)).toEqual(['key', 'plain', 'number', 'comment']);
    expect(pieces('a: "x # y"').some((p) => p.kind === 'comment')).toBe(false);
  });
});

test('search finds words in any order and prefers beginnings', () => {
  expect(match('orders shop', 'service:shop/orders')).toBeGreaterThan(0);
  expect(match('ord', 'orders')).toBeGreaterThan(match('ord', 'recorder'));
  expect(match('zebra', 'service:shop/orders')).toBe(0);
});

test('a CSV keeps quotes and breaks formulas', () => {
  const answer: QueryAnswer = { columns: [{ name: 'a', data_type: 'Utf8' }, { name: 'b', data_type: 'Float64' }], rows: [['say "hi", you', -1], ['=SUM(A1)', null]], truncated: false, elapsed_ms: 1 };
  expect(asCsv(answer)).toBe('a,b\r\n"say ""hi"", you",-1\r\n\'=SUM(A1),\r\n');
});

test('preferences survive nonsense', () => {
  expect(read('{"theme":"dark","keys":"off"}')).toEqual({ theme: 'dark', keys: 'off' });
  for (const text of [null, 'x', '3', '{"theme":"pink"}']) expect(read(text)).toEqual({ theme: 'system', keys: 'on' });
});

describe('bands of a chart', () => {
  const band = (from: number, to: number, state: 'bad' | 'watch' = 'watch', words = 'w') => ({ from, to, state, words }) as const;
  test('overlapping ones become one, with the worst state and its words', () => {
    expect(merged([band(5, 9), band(1, 6), band(8, 12, 'bad', 'worst'), band(20, 21)])).toEqual([
      { from: 1, to: 12, state: 'bad', words: 'worst and 2 more' },
      { from: 20, to: 21, state: 'watch', words: 'w' },
    ]);
  });
  test('none stay none', () => expect(merged([])).toEqual([]));
});

test('a playbook fills the form of a proposal in, as far as a proposal can do what it does', () => {
  const playbook = {
    name: 'scale-up', kind: 'proactive', risk: 'low', actuator: 'process', success: ['vitals.cpu_utilization < 0.5'], verify_within_s: 30,
    steps: [{ action: 'scale', arguments: { by: '1' } }, { action: 'restart', arguments: {} }],
  } as unknown as Playbook;
  const form: Form = { target: 'service:shop/orders', ...formOf(playbook) };
  expect(form).toMatchObject({ risk: 'medium', arguments: 'by=1', reason: 'as the playbook scale-up would do, its first of 2 steps' });
  expect(faultsOf(form)).toEqual({});
  expect(draftOf(form)).toMatchObject({ kind: 'proactive', steps: [{ action: 'scale', arguments: { by: '1' } }], success: ['vitals.cpu_utilization < 0.5'], verify_within_s: 30 });
});

test('a change on the time axis is told as one, an intervention as one', () => {
  const flags = [{ at: 1, state: 'idle' as const, words: 'deploy shop 1 → 2', kind: 'change' as const }, { at: 2, state: 'good' as const, words: 'restart' }];
  expect(summary('CPU', [], String, [], flags)).toBe('CPU. change: deploy shop 1 → 2. intervention: restart.');
});
