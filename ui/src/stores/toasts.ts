import { reactive, readonly } from 'vue';
import { Problem } from '@/api/client';

export interface Toast {
  id: number;
  kind: 'done' | 'failed' | 'note';
  title: string;
  detail: string;
  /** Where more is to be seen. */
  to?: string;
}

const state = reactive<{ toasts: Toast[] }>({ toasts: [] });
export const toasts = readonly(state);
let last = 0;

export function tell(kind: Toast['kind'], title: string, detail = '', to?: string): void {
  last += 1;
  const id = last;
  state.toasts.push({ id, kind, title, detail, to });
  if (state.toasts.length > 4) state.toasts.shift();
  // Failures stay until they are read.
  if (kind !== 'failed') setTimeout(() => dismiss(id), 6000);
}

export function tellProblem(title: string, error: unknown): void {
  const problem = error instanceof Problem ? error : undefined;
  const words = problem ? problem.detail || problem.title : String(error);
  tell('failed', title, problem?.instance ? `${words} (${problem.instance})` : words);
}

export function dismiss(id: number): void {
  const at = state.toasts.findIndex((t) => t.id === id);
  if (at >= 0) state.toasts.splice(at, 1);
}
