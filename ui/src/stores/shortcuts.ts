import { onScopeDispose } from 'vue';
import { preferences } from './preferences';

/** One shortcut: `g o` is two keys after each other. */
export interface Shortcut {
  keys: string;
  says: string;
  group: string;
  act: () => void;
}

const table = new Map<string, Shortcut[]>();
const CHAIN_MS = 1200;
let chain = '';
let chainAt = 0;

/** Holds while the calling component lives; the newest of the same keys wins. */
export function useShortcuts(shortcuts: Shortcut[]): void {
  for (const one of shortcuts) table.set(one.keys, [...(table.get(one.keys) ?? []), one]);
  onScopeDispose(() => {
    for (const one of shortcuts) {
      const rest = (table.get(one.keys) ?? []).filter((s) => s !== one);
      if (rest.length > 0) table.set(one.keys, rest);
      else table.delete(one.keys);
    }
  });
}

export function shortcuts(): Shortcut[] {
  return [...table.values()].map((all) => all[all.length - 1]!);
}

/** What a key press means, given the keys before it. Pure but for the table. */
export function meaning(key: string, before: string): { act?: Shortcut; chain: string } {
  const both = before ? `${before} ${key}` : key;
  const found = table.get(both) ?? table.get(key);
  if (found) return { act: found[found.length - 1], chain: '' };
  const begins = [...table.keys()].some((k) => k.startsWith(`${key} `));
  return { chain: begins ? key : '' };
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function listen(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      meaning('mod+k', '').act?.act();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || preferences.keys === 'off' || isTyping(event.target)) return;
    // A dialog takes all keys for itself.
    if (document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]')) return;
    const before = Date.now() - chainAt < CHAIN_MS ? chain : '';
    const result = meaning(event.key, before);
    chain = result.chain;
    chainAt = Date.now();
    if (!result.act) return;
    event.preventDefault();
    result.act.act();
  });
}
