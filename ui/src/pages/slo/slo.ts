/** Objectives as people read and write them. Everything here is pure. */
import type { BudgetForecast, Fault, Slo, SloDraft, SloIndicator, SloStatus } from '@/api/types';
import { duration, percent, trim, words } from '@/time/format';
import type { State } from '@/time/verdict';

const STATES: Record<string, [State, string]> = {
  page: ['bad', 'Burns fast'],
  ticket: ['watch', 'Burns'],
  spent: ['watch', 'Budget spent'],
  ok: ['good', 'Within budget'],
  no_data: ['idle', 'No data'],
  loading: ['idle', 'Reading history'],
};

/** Colour and word of a state. */
export function stateOfSlo(state: string): { state: State; word: string } {
  const [colour, word] = STATES[state] ?? ['idle', state];
  return { state: colour, word };
}

/** Worst first: by state, then by what is left, then by name. */
export function worstFirst(a: Slo, b: Slo): number {
  const order = Object.keys(STATES);
  const rank = (s: Slo): number => (order.indexOf(s.status.state) + order.length + 1) % (order.length + 1);
  return rank(a) - rank(b) || (a.status.left ?? 2) - (b.status.left ?? 2) || a.name.localeCompare(b.name);
}

/** A share that is never rounded up to what it is not: 99.996 % is not 100 %. */
export function exact(share: number | null | undefined): string {
  if (share === null || share === undefined) return '–';
  return `${Number((Math.floor(share * 100_000 + 1e-6) / 1000).toFixed(3))} %`;
}

/** What is left of a budget. */
export function leftWords(left: number | null | undefined): string {
  if (left === null || left === undefined) return '–';
  return left < 0 ? `${percent(-left)} overspent` : percent(left, left < 0.1 ? 1 : 0);
}

export function stateOfLeft(status: SloStatus): State {
  const left = status.left;
  if (left === null || left === undefined) return 'idle';
  if (left <= 0 || status.state === 'page') return 'bad';
  return left < 0.25 || status.state === 'ticket' ? 'watch' : 'good';
}

/** `14.4×` */
export function times(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? '–' : `${trim(rate)}×`;
}

/** When the budget is used up, short. */
export function goneWords(status: SloStatus): string {
  if (status.left !== null && status.left !== undefined && status.left <= 0) return 'used up';
  const forecast = status.forecast;
  if (!forecast) return '–';
  return forecast.gone_in_s === null || forecast.gone_in_s === undefined ? 'lasts' : `in ${duration(forecast.gone_in_s)}`;
}

/** When the budget is used up, with the interval. */
export function forecastWords(forecast: BudgetForecast, days: number): string {
  const gone = forecast.gone_in_s ?? undefined;
  const soonest = forecast.gone_in_soonest_s ?? undefined;
  const latest = forecast.gone_in_latest_s ?? undefined;
  if (gone === 0) return 'The budget is used up.';
  const says = gone === undefined ? `At the present rate the budget lasts for ${days} days and on` : `At the present rate the budget is used up in ${duration(gone)}`;
  if (soonest === undefined) return `${says}; at none of the recent rates is it used up.`;
  if (latest === undefined) return `${says}; at the fastest of the recent rates in ${duration(soonest)}, at the calmest never.`;
  return `${says}; at the recent rates between ${duration(soonest)} and ${duration(latest)}.`;
}

/** What an objective counts, in one phrase. */
export function counts(sli: SloIndicator): string {
  const side = sli.good_when === 'at_least' ? 'at least' : 'at most';
  switch (sli.kind) {
    case 'requests':
      return 'requests that do not fail';
    case 'latency':
      return `requests within ${duration(sli.threshold)}`;
    case 'vital':
      return `time with ${words(sli.vital ?? '')} ${side} ${trim(sli.threshold ?? 0)}`;
    default:
      return `time with ${sli.metric ?? ''} ${side} ${trim(sli.threshold ?? 0)}`;
  }
}

/** The same as it follows a share: `99.5 % of …`. */
export function promise(sli: SloIndicator): string {
  switch (sli.kind) {
    case 'requests':
      return 'requests do not fail';
    case 'latency':
      return `requests take at most ${duration(sli.threshold)}`;
    default:
      return counts(sli);
  }
}

/** Whose work it counts. */
export function whose(slo: { selector_kind?: string | null; selector_resource?: string | null }): string {
  if (slo.selector_resource) return slo.selector_resource;
  return slo.selector_kind ? `every ${slo.selector_kind}` : 'everything';
}

/** The one resource it is about, if it is about one. */
export function onlyResource(slo: { selector_resource?: string | null }): string | undefined {
  return slo.selector_resource && !slo.selector_resource.includes('*') ? slo.selector_resource : undefined;
}

export interface Form {
  name: string;
  description: string;
  kind: string;
  resource: string;
  counts: string;
  vital: string;
  metric: string;
  side: string;
  threshold: string;
  target: string;
  days: string;
}

export function emptyForm(resource = ''): Form {
  return { name: '', description: '', kind: '', resource, counts: 'requests', vital: 'up', metric: '', side: 'at_least', threshold: '', target: '99.5', days: '30' };
}

export function formOf(slo: Slo): Form {
  return {
    name: slo.name,
    description: slo.description,
    kind: slo.selector_kind ?? '',
    resource: slo.selector_resource ?? '',
    counts: slo.sli.kind,
    vital: slo.sli.vital ?? 'up',
    metric: slo.sli.metric ?? '',
    side: slo.sli.good_when ?? 'at_least',
    threshold: slo.sli.threshold === null || slo.sli.threshold === undefined ? '' : String(slo.sli.threshold),
    target: String(Number((slo.target * 100).toFixed(6))),
    days: String(slo.window_days),
  };
}

const number = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text.trim().replace(',', '.')));

/** What keeps a form from being sent. */
export function faultsOf(form: Form): Partial<Record<keyof Form, string>> {
  const faults: Partial<Record<keyof Form, string>> = {};
  if (!form.name.trim() || form.name.trim().length > 100) faults.name = 'Give it a name of 1 to 100 characters.';
  if (form.resource.trim() && !/^[A-Za-z0-9:/._%*-]+$/.test(form.resource.trim())) faults.resource = 'Write an id or a pattern, for example service:shop/*.';
  if (form.counts === 'metric' && !form.metric.trim()) faults.metric = 'Name the metric as its sender does.';
  const threshold = number(form.threshold);
  if (form.counts !== 'requests' && !Number.isFinite(threshold)) faults.threshold = 'Give a number.';
  else if (form.counts === 'latency' && threshold <= 0) faults.threshold = 'Give seconds above 0, such as 0.3.';
  const target = number(form.target);
  if (!(target >= 50 && target <= 99.999)) faults.target = 'Give per cent from 50 to 99.999.';
  const days = number(form.days);
  if (!Number.isInteger(days) || days < 1 || days > 90) faults.days = 'Give whole days from 1 to 90.';
  return faults;
}

/** The form as the API takes it. */
export function draftOf(form: Form): SloDraft {
  const isBounded = form.counts === 'vital' || form.counts === 'metric';
  const sli: SloIndicator = {
    kind: form.counts,
    threshold: form.counts === 'requests' ? null : number(form.threshold),
    good_when: isBounded ? form.side : null,
    vital: form.counts === 'vital' ? form.vital : null,
    metric: form.counts === 'metric' ? form.metric.trim() : null,
  };
  return {
    name: form.name.trim(),
    description: form.description.trim(),
    selector_kind: form.kind || null,
    selector_resource: form.resource.trim() || null,
    sli,
    target: Number((number(form.target) / 100).toFixed(8)),
    window_days: number(form.days),
  };
}

const FIELDS: Record<string, keyof Form> = {
  '/name': 'name',
  '/description': 'description',
  '/selector_kind': 'kind',
  '/selector_resource': 'resource',
  '/sli/kind': 'counts',
  '/sli/vital': 'vital',
  '/sli/metric': 'metric',
  '/sli/good_when': 'side',
  '/sli/threshold': 'threshold',
  '/target': 'target',
  '/window_days': 'days',
};

/** Faults that the server found, at the fields they belong to; from `/slo` where they came from a preview. */
export function faultsFrom(faults: Fault[]): Partial<Record<keyof Form, string>> {
  const found: Partial<Record<keyof Form, string>> = {};
  for (const fault of faults) {
    const field = FIELDS[(fault.pointer ?? '').replace(/^\/slo\//, '/')];
    if (field) found[field] = fault.detail;
  }
  return found;
}

/** Vital signs that an objective is made of most often, first. */
export const VITALS = ['up', 'latency_p99', 'latency_p50', 'error_ratio', 'queue_length', 'cpu_utilization', 'memory_utilization', 'disk_utilization', 'file_descriptor_utilization', 'pool_utilization', 'load_per_cpu', 'memory_usage', 'request_rate', 'dependency_latency', 'dependency_error_ratio'];
