import { onScopeDispose, reactive, readonly } from 'vue';
import type { Alert, Anomaly, Assessment, Freeze, InterventionSummary, LedgerState } from '@/api/types';

/** What each topic carries. */
export interface Topics {
  assessments: Assessment[];
  anomaly: Anomaly;
  intervention: InterventionSummary;
  alert: Alert;
  freezes: Freeze[];
  ledger: LedgerState;
  /** Events were left out: load anew. */
  lagged: number;
}
export type Topic = keyof Topics;
type Reader = (event: { topic: Topic; data: never }) => void;

const TOPICS: Topic[] = ['assessments', 'anomaly', 'intervention', 'alert', 'freezes', 'ledger', 'lagged'];
/** Events held while the view is paused; beyond that the page is loaded anew on resume. */
const HELD = 500;

interface State {
  link: 'off' | 'opening' | 'open' | 'lost';
  paused: boolean;
  held: number;
  lastEventAt: number;
}

const state = reactive<State>({ link: 'off', paused: false, held: 0, lastEventAt: 0 });
export const live = readonly(state);

const readers = new Map<Topic, Set<Reader>>();
let held: { topic: Topic; data: unknown }[] = [];
let folded = 0;
let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
let grace: ReturnType<typeof setTimeout> | undefined;
let refusals = 0;
/** A stream that comes back within this time was never away: the server ends each after some minutes. */
const GRACE_MS = 5_000;

function deliver(topic: Topic, data: unknown): void {
  for (const read of readers.get(topic) ?? []) read({ topic, data: data as never });
}

function receive(topic: Topic, text: string): void {
  state.lastEventAt = Date.now();
  let event: { topic?: string; data?: unknown };
  try {
    event = JSON.parse(text) as { topic?: string; data?: unknown };
  } catch {
    return;
  }
  const data = event.topic === topic ? event.data : event;
  if (!state.paused) return deliver(topic, data);
  state.held += 1;
  if (held.length < HELD) held.push({ topic, data });
  else folded += 1;
}

/** One stream per tab. The browser resumes it by `Last-Event-ID`. */
export function open(): void {
  if (source) return;
  if (state.link === 'off') state.link = 'opening';
  source = new EventSource('/api/v1/live');
  source.onopen = () => {
    clearTimeout(grace);
    grace = undefined;
    state.link = 'open';
    // A new stream knows nothing of what was missed by the refused one before it.
    if (refusals > 0) deliver('lagged', 0);
    refusals = 0;
  };
  source.onerror = () => {
    grace ??= setTimeout(() => {
      state.link = 'lost';
    }, GRACE_MS);
    // A refused stream is closed for good by the browser: try again, ever more slowly.
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      refusals += 1;
      retry = setTimeout(open, Math.min(60_000, 2_500 * 2 ** refusals));
    }
  };
  for (const topic of TOPICS) {
    source.addEventListener(topic, (event) => receive(topic, (event as MessageEvent<string>).data));
  }
}

export function close(): void {
  clearTimeout(retry);
  clearTimeout(grace);
  grace = undefined;
  refusals = 0;
  source?.close();
  source = null;
  state.link = 'off';
}

/** Pausing stops the view, not the capture: what came meanwhile is shown on resume. */
export function pause(): void {
  state.paused = true;
}

export function resume(): void {
  state.paused = false;
  const missed = held;
  const lost = folded;
  held = [];
  folded = 0;
  state.held = 0;
  if (lost > 0) return deliver('lagged', lost);
  for (const event of missed) deliver(event.topic, event.data);
}

export function togglePause(): void {
  if (state.paused) resume();
  else pause();
}

/** Reads a topic while the calling component lives. */
export function onLive<T extends Topic>(topic: T, read: (data: Topics[T]) => void): void {
  const reader: Reader = (event) => read(event.data as Topics[T]);
  const set = readers.get(topic) ?? new Set();
  readers.set(topic, set.add(reader));
  onScopeDispose(() => set.delete(reader));
}

/** For tests. */
export const inner = { receive };
