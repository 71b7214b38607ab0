// Walks every page of the web app in a real browser: axe, console errors, sideways scroll, screenshots.
//   node tests/browser/walk.mjs                                             against the mock server
//   node tests/browser/walk.mjs --base URL --signin-link URL --out DIR      against a running Echobase
//   [--only overview,ledger] [--quick (1440 dark and 390 light only)]
// Ends with status 1 if axe finds a serious violation, the console an error, or a page scrolls sideways.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { startMock } from '../mock-server.mjs';

const option = (name) => (process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : undefined);
const out = option('out') ?? '/tmp/shots';
const mock = option('base') ? undefined : await startMock();
const base = (option('base') ?? mock.base).replace(/\/$/, '');
const link = option('signin-link') ?? `${base}/signin?token=demo`;
const only = option('only')?.split(',');
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SIZES = [
  { name: '1440', viewport: { width: 1440, height: 900 } },
  { name: '390', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  { name: '360', viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, silent: true },
];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
const faults = [];
await mkdir(out, { recursive: true });

/** One sign-in serves all: the one-time link works once. */
async function signIn() {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(link);
  await page.waitForSelector('nav[aria-label="Pages"]', { state: 'attached', timeout: 15_000 });
  const state = await context.storageState();
  const get = (path) => page.evaluate(async (p) => (await fetch(`/api/v1${p}`)).json(), path);
  const resources = (await get('/resources?limit=50')).items ?? [];
  const worst = [...resources].sort((a, b) => (a.assessment?.score ?? 2) - (b.assessment?.score ?? 2))[0];
  const anomaly = worst && (await get(`/anomalies?resource_id=${encodeURIComponent(worst.id)}`)).items?.[0];
  const interventions = (await get('/interventions?limit=50')).items ?? [];
  const intervention = interventions.find((i) => i.state === 'validated') ?? interventions[0];
  const done = interventions.find((i) => i.executed_at);
  const playbook = (await get('/playbooks?limit=1')).items?.[0];
  const slo = (await get('/slos?limit=1')).items?.[0];
  const entry = (await get('/ledger/entries?limit=1')).items?.[0];
  await context.close();
  const pages = [
    ['signin', '/signin'],
    ['overview', '/'],
    ['resources', '/resources'],
    ['resource', worst && `/resources/${encodeURIComponent(worst.id)}?t=1h`],
    ['anomaly', anomaly && `/resources/${encodeURIComponent(worst.id)}?t=1h&anomaly=${anomaly.id}`],
    ['interventions', '/interventions'],
    ['intervention', intervention && `/interventions/${intervention.id}`],
    ['intervention-done', done && `/interventions/${done.id}?view=history`],
    ['propose', '/interventions/new'],
    ['slos', '/slos'],
    ['slo', slo && `/slos/${slo.id}`],
    ['slo-new', '/slos/new'],
    ['slo-edit', slo && `/slos/${slo.id}/edit`],
    ['playbooks', '/playbooks'],
    ['playbook', playbook && `/playbooks/${playbook.id}`],
    ['playbook-new', '/playbooks/new'],
    ['alerts', '/alerts'],
    ['data', '/data'],
    ['ledger', '/ledger?all=yes'],
    ['entry', entry && `/ledger?all=yes&seq=${entry.seq}`],
    ['settings', '/settings/account'],
    ['users', '/settings/users'],
    ['keys', '/settings/keys'],
    ['tenants', '/settings/tenants'],
    ['models', '/settings/models?version=risk-2'],
    ['about', '/settings/about'],
    ['lost', '/no/such/page'],
  ];
  return { state, pages: pages.filter(([name, path]) => path && (!only || only.includes(name))) };
}

async function visit(context, where, place, size) {
  const page = await context.newPage();
  try {
    await look(page, where, place, size);
  } catch (error) {
    faults.push(`${where} ${place[0]}: not walked: ${error.message.split('\n')[0]}`);
  } finally {
    await page.close();
  }
}

async function look(page, where, [name, path], { isMobile, silent }) {
  const say = (kind, words) => faults.push(`${where} ${name}: ${kind}: ${words}`);
  page.on('console', (message) => message.type() === 'error' && say('console', message.text()));
  page.on('pageerror', (error) => say('page error', error.message));
  page.on('response', (answer) => answer.status() >= 500 && say('server', `${answer.status()} ${answer.url()}`));
  page.on('request', (request) => !request.url().startsWith(base) && !/^(data|blob):/.test(request.url()) && say('third party', request.url()));
  await page.goto(base + path, { waitUntil: 'load' });
  await page.waitForSelector('h1', { timeout: 10_000 }).catch(() => say('empty', 'no heading after 10 s'));
  await page.waitForFunction(() => !document.querySelector('[role="status"] .hush') || !document.body.textContent.includes('Loading'), undefined, { timeout: 5_000 }).catch(() => {});
  await page.waitForTimeout(name === 'resource' ? 900 : 450);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) say('sideways scroll', `${wide} px`);
  // The narrowest screen is there for its width alone; what axe says of it, it says at 390.
  if (silent) return;
  // By evaluation, not by a script element: the policy of the page would refuse that, rightly.
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  for (const v of result.violations) {
    say(v.impact === 'serious' || v.impact === 'critical' ? 'axe' : 'axe (minor)', `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.failureSummary?.split('\n')[1]?.trim() ?? ''}`).join(' | ')}`);
  }
  // Phones: a tall screen instead of a long picture, so that the bars stand where they belong.
  const long = await page.evaluate(() => document.documentElement.scrollHeight);
  if (isMobile && long > page.viewportSize().height) await page.setViewportSize({ width: page.viewportSize().width, height: Math.min(long, 2400) });
  if (isMobile) await page.waitForTimeout(150);
  await page.screenshot({ path: `${out}/${name}-${where}.png`, fullPage: !isMobile, timeout: 90_000 });
}

try {
  const { state, pages } = await signIn();
  for (const size of SIZES) {
    for (const colorScheme of ['dark', 'light']) {
      if (size.silent && colorScheme === 'light') continue;
      if (process.argv.includes('--quick') && `${size.name}${colorScheme}` !== '1440dark' && `${size.name}${colorScheme}` !== '390light') continue;
      const { name, silent, ...device } = size;
      const context = await browser.newContext({ ...device, colorScheme, storageState: state, reducedMotion: 'reduce' });
      for (const page of pages) await visit(context, `${name}-${colorScheme}`, page, size);
      await context.close();
    }
  }
} finally {
  await browser.close();
  await mock?.stop();
}

await writeFile(`${out}/faults.txt`, faults.join('\n'));
const serious = faults.filter((f) => !f.includes('axe (minor)'));
console.log(faults.length ? faults.join('\n') : 'no faults');
console.log(`${serious.length} serious, ${faults.length - serious.length} minor; screenshots in ${out}`);
process.exit(serious.length > 0 ? 1 : 0);
