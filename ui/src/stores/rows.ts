import { computed, nextTick, ref, watch, type ComputedRef, type Ref } from 'vue';
import { useRouter } from 'vue-router';
import { useShortcuts } from './shortcuts';

/** `j`, `k` and Enter over the rows of a list. Rows carry `data-row` with their number. */
export function useRows(size: () => number, open: (row: number) => void, group = 'Rows'): Ref<number> {
  const at = ref(-1);

  function move(by: 1 | -1): void {
    const n = size();
    if (n === 0) return;
    at.value = Math.min(n - 1, Math.max(0, at.value + by));
    void nextTick(() => document.querySelector(`[data-row="${at.value}"]`)?.scrollIntoView({ block: 'nearest' }));
  }

  watch(size, (n) => {
    if (at.value >= n) at.value = n - 1;
  });
  useShortcuts([
    { keys: 'j', says: 'Next row', group, act: () => move(1) },
    { keys: 'k', says: 'Row before', group, act: () => move(-1) },
    { keys: 'Enter', says: 'Open the row', group, act: () => act() },
    { keys: 'o', says: 'Open the row', group, act: () => act() },
  ]);

  function act(): void {
    // Enter on a focused button or link is its own.
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && focused.closest('a, button, summary')) return focused.click();
    if (at.value >= 0) open(at.value);
  }

  return at;
}

/** A list that is narrowed by what is typed: the rows whose `text` holds it, each opened at `path/id`. */
export function useFind<T extends { id: string }>(
  items: () => readonly T[] | null | undefined,
  text: (item: T) => string,
  path: string,
): { q: Ref<string>; rows: ComputedRef<T[]>; open: (row: number) => void; at: Ref<number> } {
  const router = useRouter();
  const q = ref('');
  const rows = computed(() => (items() ?? []).filter((item) => text(item).toLowerCase().includes(q.value.trim().toLowerCase())));
  function open(row: number): void {
    const one = rows.value[row];
    if (one) void router.push(`${path}/${one.id}`);
  }
  return { q, rows, open, at: useRows(() => rows.value.length, open) };
}
