import type { IconName } from './Icon.vue';

export interface Place {
  to: string;
  name: string;
  icon: IconName;
  key: string;
  /** Stands in the bottom bar of small screens. */
  bar?: 'bar';
}

/** The pages, in the order of the rail. */
export const PLACES: Place[] = [
  { to: '/', name: 'Overview', icon: 'overview', key: 'g o', bar: 'bar' },
  { to: '/resources', name: 'Resources', icon: 'resources', key: 'g r', bar: 'bar' },
  { to: '/interventions', name: 'Interventions', icon: 'interventions', key: 'g i', bar: 'bar' },
  { to: '/alerts', name: 'Alerts', icon: 'alerts', key: 'g t', bar: 'bar' },
  { to: '/slos', name: 'Objectives', icon: 'slos', key: 'g b' },
  { to: '/playbooks', name: 'Playbooks', icon: 'playbooks', key: 'g p' },
  { to: '/data', name: 'Data', icon: 'data', key: 'g d' },
  { to: '/ledger', name: 'Ledger', icon: 'ledger', key: 'g l', bar: 'bar' },
  { to: '/settings', name: 'Settings', icon: 'settings', key: 'g s' },
];

export function isAt(place: Place, path: string): boolean {
  return place.to === '/' ? path === '/' : path === place.to || path.startsWith(`${place.to}/`);
}
