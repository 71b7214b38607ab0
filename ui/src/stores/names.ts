import { shallowRef } from 'vue';
import { get } from '@/api/client';
import type { Page, Principal } from '@/api/types';
import { ACTION } from './actions';
import { can } from './session';

/** Names of principals by id, asked for once, where they may be read: the ledger itself holds only ids. */
const known = shallowRef(new Map<string, string>());
let asked = false;

async function ask(): Promise<void> {
  asked = true;
  if (!can(ACTION.readPrincipals)) return;
  try {
    const page = await get<Page<Principal>>('/principals', { limit: 500 });
    known.value = new Map(page.items.map((p) => [p.id, p.name]));
  } catch {
    // Ids are shown instead.
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Short form of an id: its end, as ids begin with the time and so look alike. */
export function shortId(id: string): string {
  return UUID.test(id) ? `…${id.slice(-8)}` : id;
}

/** The name of a principal, else its id in short. */
export function nameOf(id: string): string {
  if (!asked) void ask();
  return known.value.get(id) ?? shortId(id);
}
