import { ref } from 'vue';
import { get, type Query } from '@/api/client';
import type { Page } from '@/api/types';
import { useLoad, type Loaded, type LoadOptions } from './load';

/** Pages of 500 that are read where a page needs the whole list. What lies beyond is said. */
export const MOST_PAGES = 20;

/** The first pages of a list as one; `next_cursor` stands where it goes on. */
export async function pages<T>(path: string, query: Query, most: number, signal?: AbortSignal): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  for (let n = 0; n < most; n += 1) {
    const page = await get<Page<T>>(path, { ...query, cursor }, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return { items, next_cursor: cursor };
}

/** A list that shows so many pages, one at first; what is shown stays shown when it is read again. */
export interface Pages<T> extends Loaded<Page<T>> {
  more: () => Promise<void>;
}

export function usePages<T>(path: string, query: () => Query, options: LoadOptions = {}): Pages<T> {
  const shown = ref(1);
  const loaded = useLoad((signal) => pages<T>(path, query(), shown.value, signal), options);
  async function more(): Promise<void> {
    shown.value += 1;
    await loaded.reload();
  }
  return { ...loaded, more };
}
