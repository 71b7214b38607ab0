import { computed, shallowRef } from 'vue';
import { get } from '@/api/client';
import type { Alert, Freeze, InterventionSummary, Overview } from '@/api/types';
import { isOpen } from '@/time/verdict';
import { onLive } from './live';

/** What the shell shows on every page: approvals waiting, alerts firing, freezes in force. */
const approvals = shallowRef<InterventionSummary[]>([]);
const alerts = shallowRef<Alert[]>([]);
const freezes = shallowRef<Freeze[]>([]);
const names = shallowRef<{ id: string; name: string; kind: string }[]>([]);

export const pulse = { approvals, alerts, freezes, names };
export const frozen = computed(() => freezes.value.find((f) => f.scope === 'tenant'));

/** Takes over what a loaded overview says. */
export function take(overview: Overview): void {
  approvals.value = overview.approvals;
  alerts.value = overview.alerts;
  freezes.value = overview.freezes;
  names.value = overview.resources.map(({ id, name, kind }) => ({ id, name, kind }));
}

export async function refresh(): Promise<void> {
  try {
    take(await get<Overview>('/overview'));
  } catch {
    // The page that is open says what is wrong; the shell keeps what it knew.
  }
}

/** Keeps up with the stream while the shell lives. */
export function follow(): void {
  onLive('intervention', (changed) => {
    const rest = approvals.value.filter((i) => i.id !== changed.id);
    const waits = changed.state === 'validated' || (changed.state === 'proposed' && isOpen(changed.state));
    approvals.value = waits ? [changed, ...rest].sort((a, b) => a.created_at.localeCompare(b.created_at)) : rest;
  });
  onLive('alert', (changed) => {
    const rest = alerts.value.filter((a) => a.id !== changed.id);
    alerts.value = changed.state === 'firing' ? [changed, ...rest] : rest;
  });
  onLive('freezes', (all) => {
    freezes.value = all;
  });
  onLive('lagged', () => void refresh());
}
