import { computed, reactive, readonly } from 'vue';
import { get, post, Problem, remove, useCsrfToken } from '@/api/client';
import type { Session } from '@/api/types';

/** Who is signed in. `unknown` until the first answer. */
interface State {
  status: 'unknown' | 'in' | 'out' | 'unreachable';
  session: Session | null;
  problem: Problem | null;
}

const state = reactive<State>({ status: 'unknown', session: null, problem: null });

export const session = readonly(state);

export function take(given: Session): void {
  state.session = given;
  state.status = 'in';
  state.problem = null;
  useCsrfToken(given.csrf_token);
}

export function forget(): void {
  state.session = null;
  state.status = 'out';
  useCsrfToken('');
}

/** Asks the server who is signed in. */
export async function load(): Promise<void> {
  try {
    take(await get<Session>('/session'));
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return forget();
    state.status = 'unreachable';
    state.problem = error instanceof Problem ? error : new Problem({ status: 0, detail: String(error) });
  }
}

export async function signIn(name: string, password: string, tenant?: string): Promise<void> {
  take(await post<Session>('/session', { name, password, ...(tenant ? { tenant } : {}) }));
}

export async function redeem(token: string): Promise<void> {
  take(await post<Session>('/session:redeem', { token }));
}

export async function signOut(): Promise<void> {
  await remove('/session');
  forget();
}

/** The actions the web app asks about, in the words of the decision point. */
export type Action = string;

/** Whether an action is permitted: for greying out, never for deciding. */
export function can(action: Action): boolean {
  return state.session?.permissions.includes(action) ?? false;
}

export const isAdmin = computed(() => state.session?.role === 'admin');
