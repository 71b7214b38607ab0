import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import { Problem } from '@/api/client';
import { live, onLive, type Topic } from './live';

/** One piece of a page: its data, or why there is none, and how old it is. */
export interface Loaded<T> {
  data: ShallowRef<T | undefined>;
  problem: ShallowRef<Problem | undefined>;
  /** A load is under way. */
  loading: Ref<boolean>;
  /** Nothing to show yet, and it takes longer than 200 ms: time for a skeleton. */
  slow: Ref<boolean>;
  loadedAt: Ref<number>;
  reload: () => Promise<void>;
}

export interface LoadOptions {
  /** Loads anew, from nothing, when this changes. */
  on?: () => unknown;
  /** Loads again, quietly, when this changes. */
  quietlyOn?: () => unknown;
  /** Loads again, quietly, after an event of these topics. */
  live?: Topic[];
  /** Loads again, quietly, each so many milliseconds; 0 never. */
  everyMs?: () => number;
  /** Loads only while this holds. */
  when?: () => boolean;
}

const SLOW_AFTER = 200;
const QUIET_FOR = 1000;

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, options: LoadOptions = {}): Loaded<T> {
  const data = shallowRef<T>();
  const problem = shallowRef<Problem>();
  const loading = ref(false);
  const slow = ref(false);
  const loadedAt = ref(0);
  let current: AbortController | undefined;
  let soon: ReturnType<typeof setTimeout> | undefined;

  async function reload(): Promise<void> {
    if (options.when && !options.when()) return;
    current?.abort();
    const mine = new AbortController();
    current = mine;
    loading.value = true;
    const patience = setTimeout(() => {
      slow.value = data.value === undefined;
    }, SLOW_AFTER);
    try {
      const answer = await load(mine.signal);
      if (current !== mine) return;
      data.value = answer;
      problem.value = undefined;
      loadedAt.value = Date.now();
    } catch (error) {
      if (mine.signal.aborted || current !== mine) return;
      problem.value = error instanceof Problem ? error : new Problem({ status: 500, detail: String(error) });
    } finally {
      clearTimeout(patience);
      if (current === mine) {
        loading.value = false;
        slow.value = false;
      }
    }
  }

  function quietly(): void {
    if (soon || live.paused || document.hidden) return;
    soon = setTimeout(() => {
      soon = undefined;
      void reload();
    }, QUIET_FOR);
  }

  if (options.on || options.when) {
    watch([() => options.on?.(), () => options.when?.()], () => {
      data.value = undefined;
      problem.value = undefined;
      void reload();
    });
  }
  if (options.quietlyOn) watch(options.quietlyOn, () => void reload());
  for (const topic of options.live ?? []) onLive(topic, quietly);
  onLive('lagged', quietly);

  let tick: ReturnType<typeof setTimeout> | undefined;
  if (options.everyMs) {
    const again = (): void => {
      const wait = options.everyMs?.() ?? 0;
      tick = setTimeout(() => {
        if (wait > 0 && !live.paused && !document.hidden) void reload();
        again();
      }, wait || 1000);
    };
    again();
  }
  onScopeDispose(() => {
    current?.abort();
    clearTimeout(soon);
    clearTimeout(tick);
  });
  void reload();
  return { data, problem, loading, slow, loadedAt, reload };
}
