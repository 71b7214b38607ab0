import { post, remove } from '@/api/client';

/** A label of an anomaly as it is sent. */
export interface Label {
  anomaly_id: string;
  label: string;
  change?: string;
}

/** Puts a label in the place of another one, or takes it away. Of several labels the last counts: if it is only half done, nothing that a person said is lost. */
export async function relabel(before: string | undefined, now: Label | undefined): Promise<void> {
  if (now) await post('/incidents', now);
  if (before) await remove(`/incidents/${before}`);
}
