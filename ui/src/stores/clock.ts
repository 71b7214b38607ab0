import { readonly, ref } from 'vue';

/** The one clock of the page; it ticks each second while the page is seen. */
const ticking = ref(Date.now());
export const now = readonly(ticking);

export function start(): void {
  setInterval(() => {
    if (!document.hidden) ticking.value = Date.now();
  }, 1000);
  document.addEventListener('visibilitychange', () => {
    ticking.value = Date.now();
  });
}
