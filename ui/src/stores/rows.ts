import { nextTick, ref, watch, type Ref } from 'vue';
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
