import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router';
import { load, session } from '@/stores/session';
import { carried } from '@/stores/range';

declare module 'vue-router' {
  interface RouteMeta {
    title: string;
    /** Whether the time range belongs to the page. */
    ranged?: boolean;
    bare?: boolean;
  }
}

const routes: RouteRecordRaw[] = [
  { path: '/', name: 'overview', meta: { title: 'Overview', ranged: true }, component: () => import('@/pages/overview/OverviewPage.vue') },
  { path: '/resources', name: 'resources', meta: { title: 'Resources', ranged: true }, component: () => import('@/pages/resource/ResourcesPage.vue') },
  { path: '/resources/:id', name: 'resource', meta: { title: 'Resource', ranged: true }, component: () => import('@/pages/resource/ResourcePage.vue') },
  { path: '/interventions', name: 'interventions', meta: { title: 'Interventions' }, component: () => import('@/pages/intervention/InterventionsPage.vue') },
  { path: '/interventions/new', name: 'propose', meta: { title: 'Propose an intervention' }, component: () => import('@/pages/intervention/ProposePage.vue') },
  { path: '/interventions/:id', name: 'intervention', meta: { title: 'Intervention' }, component: () => import('@/pages/intervention/InterventionsPage.vue') },
  { path: '/playbooks', name: 'playbooks', meta: { title: 'Playbooks' }, component: () => import('@/pages/playbook/PlaybooksPage.vue') },
  { path: '/playbooks/:id', name: 'playbook', meta: { title: 'Playbook' }, component: () => import('@/pages/playbook/PlaybookPage.vue') },
  { path: '/slos', name: 'slos', meta: { title: 'Objectives' }, component: () => import('@/pages/slo/SlosPage.vue') },
  { path: '/slos/new', name: 'slo-new', meta: { title: 'New objective' }, component: () => import('@/pages/slo/SloFormPage.vue') },
  { path: '/slos/:id', name: 'slo', meta: { title: 'Objective' }, component: () => import('@/pages/slo/SloPage.vue') },
  { path: '/slos/:id/edit', name: 'slo-edit', meta: { title: 'Change the objective' }, component: () => import('@/pages/slo/SloFormPage.vue') },
  { path: '/alerts', name: 'alerts', meta: { title: 'Alerts' }, component: () => import('@/pages/alert/AlertsPage.vue') },
  { path: '/data', name: 'data', meta: { title: 'Data' }, component: () => import('@/pages/data/DataPage.vue') },
  { path: '/ledger', name: 'ledger', meta: { title: 'Ledger', ranged: true }, component: () => import('@/pages/ledger/LedgerPage.vue') },
  { path: '/settings', redirect: '/settings/account' },
  { path: '/settings/:tab', name: 'settings', meta: { title: 'Settings' }, component: () => import('@/pages/settings/SettingsPage.vue') },
  { path: '/signin', name: 'signin', meta: { title: 'Sign in', bare: true }, component: () => import('@/pages/signin/SignInPage.vue') },
  { path: '/:rest(.*)*', name: 'lost', meta: { title: 'Not found' }, component: () => import('@/pages/LostPage.vue') },
];

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? undefined : { top: 0 }),
});

router.beforeEach(async (to, from) => {
  // The sign-in page asks nobody who is signed in.
  if (to.name !== 'signin' && session.status === 'unknown') await load();
  // The time range goes along, so that every address says which time it shows.
  const range = carried(from.query);
  if (to.meta.ranged && Object.keys(carried(to.query)).length === 0 && to.name !== undefined) {
    const wanted = Object.keys(range).length > 0 ? range : (remembered ?? { t: '1h' });
    return { path: to.path, hash: to.hash, query: { ...to.query, ...wanted }, replace: true };
  }
  if (to.meta.ranged) remembered = carried(to.query);
  if (to.name !== 'signin' && session.status === 'out') return { name: 'signin', query: { next: to.fullPath } };
  return true;
});

let remembered: ReturnType<typeof carried> | undefined;

router.afterEach((to, from) => {
  document.title = `${to.meta.title} · Echobase`;
  // Readers by ear hear of the new page: its heading takes the focus.
  if (from.name !== undefined && to.path !== from.path) {
    requestAnimationFrame(() => document.getElementById('main')?.focus({ preventScroll: true }));
  }
});
