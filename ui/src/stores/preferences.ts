import { reactive, readonly, watchEffect } from 'vue';

export type Theme = 'system' | 'light' | 'dark';

/** What this browser remembers. Nothing of it is secret. */
interface Preferences {
  theme: Theme;
  /** Single-key shortcuts can be switched off (WCAG 2.1.4). */
  keys: 'on' | 'off';
}

const NAME = 'echobase.preferences';

export function read(text: string | null): Preferences {
  const given: unknown = text ? safely(text) : {};
  const of = (typeof given === 'object' && given !== null ? given : {}) as Partial<Preferences>;
  return {
    theme: of.theme === 'light' || of.theme === 'dark' ? of.theme : 'system',
    keys: of.keys === 'off' ? 'off' : 'on',
  };
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}

const state = reactive<Preferences>(read(typeof localStorage === 'undefined' ? null : stored()));
export const preferences = readonly(state);

export function setTheme(theme: Theme): void {
  state.theme = theme;
}

export function setKeys(keys: 'on' | 'off'): void {
  state.keys = keys;
}

/** Applies and remembers. Called once. */
export function keep(): void {
  watchEffect(() => {
    if (state.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = state.theme;
    try {
      localStorage.setItem(NAME, JSON.stringify(state));
    } catch {
      // Private windows may refuse: then it holds until the tab is closed.
    }
  });
}
