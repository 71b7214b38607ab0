import { reactive, readonly } from 'vue';

/** What of the shell is open. */
const state = reactive({ palette: false, help: false, freeze: false, more: false });
export const shell = readonly(state);

export function show(what: keyof typeof state): void {
  state[what] = true;
}

export function hide(what: keyof typeof state): void {
  state[what] = false;
}
