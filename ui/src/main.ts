import { createApp } from 'vue';
import { whenSignedOut } from '@/api/client';
import App from '@/App.vue';
import { router } from '@/router';
import * as clock from '@/stores/clock';
import * as live from '@/stores/live';
import { keep } from '@/stores/preferences';
import { listen } from '@/stores/shortcuts';
import * as session from '@/stores/session';
import '@/theme/tokens.css';
import '@/theme/base.css';

keep();
clock.start();
listen();

whenSignedOut(() => {
  session.forget();
  live.close();
  const at = router.currentRoute.value;
  if (at.name !== 'signin') void router.replace({ name: 'signin', query: { next: at.fullPath } });
});

createApp(App).use(router).mount('#app');
