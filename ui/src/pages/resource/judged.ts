/** What is shown of a metric as it was judged. Pure. */
import type { Assessment } from '@/api/types';
import { vitalUnit } from '@/time/format';

/** Whether `metric` is `name`, with or without its attributes: how verdicts name what they judge. */
export function isOf(name: string, metric: string): boolean {
  return metric === name || metric.startsWith(`${name}{`) || metric.startsWith(`${name} `);
}

/** Names under which parts of a metric are judged, from what the verdict and the anomalies name. */
export function judgedNames(name: string, assessment: Assessment | undefined, bands: readonly { metric: string }[]): string[] {
  const named = [...bands.map((b) => b.metric), ...(assessment ? [...assessment.drift.map((d) => d.metric), ...Object.values(assessment.vitals).map((v) => v.metric)] : [])];
  const own = [...new Set(named.filter((m) => isOf(name, m)))];
  return own.length > 0 ? own : [name];
}

/** The unit in which a metric is judged: that of its vital sign, where it is one. */
export function unitOf(metric: string, assessment: Assessment | undefined, unit = ''): string {
  const vital = Object.entries(assessment?.vitals ?? {}).find(([, v]) => v.metric === metric);
  return vital ? vitalUnit(vital[0]) : unit;
}
