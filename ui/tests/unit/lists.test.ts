import { afterEach, expect, test, vi } from 'vitest';
import { relabel } from '@/pages/resource/label';
import { pages } from '@/stores/pages';

const answer = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

/** Answers each call in turn and tells what was asked. */
function serve(...answers: (() => Response)[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string, call: RequestInit) => {
    asked.push(`${call.method} ${path}`);
    return answers[asked.length - 1]!();
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

test('a list is read page by page, and what lies beyond is told', async () => {
  const both = [() => answer({ items: [1, 2], next_cursor: 'b' }), () => answer({ items: [3], next_cursor: 'c' })];
  const asked = serve(...both);
  expect(await pages<number>('/alerts', { limit: 2 }, 2)).toEqual({ items: [1, 2, 3], next_cursor: 'c' });
  expect(asked).toEqual(['GET /api/v1/alerts?limit=2', 'GET /api/v1/alerts?limit=2&cursor=b']);
  serve(() => answer({ items: [1] }));
  expect(await pages<number>('/alerts', { limit: 2 }, 2)).toEqual({ items: [1], next_cursor: undefined });
});

test('a label is only taken away once its successor is kept', async () => {
  const now = { anomaly_id: 'a', label: 'noise' };
  const asked = serve(() => answer({}, 201), () => new Response(null, { status: 204 }));
  await relabel('old', now);
  expect(asked).toEqual(['POST /api/v1/incidents', 'DELETE /api/v1/incidents/old']);
  const failed = serve(() => answer({ title: 'no' }, 503));
  await expect(relabel('old', now)).rejects.toThrow();
  expect(failed).toEqual(['POST /api/v1/incidents']);
});
