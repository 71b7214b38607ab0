// Drives the web app as a person would, against the mock server: keys, palette, dialogs, decisions, live updates,
// an empty workspace. Ends with status 1 at the first thing that is not as it should be.
import { readFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { startMock } from '../mock-server.mjs';

const out = process.argv.includes('--out') ? process.argv[process.argv.indexOf('--out') + 1] : '/tmp/shots';
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
await mkdir(out, { recursive: true });
const errors = [];

async function open(mock, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  page.on('console', (m) => m.type() === 'error' && errors.push(m.text()));
  page.on('pageerror', (e) => errors.push(e.message));
  await page.goto(`${mock.base}/signin?token=demo`);
  await page.waitForURL((url) => url.pathname === '/');
  return page;
}

async function axe(page, what) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id} ${v.nodes[0].target}`), [], what);
}

const step = async (words, act) => {
  try {
    await act();
    console.log(`ok    ${words}`);
  } catch (error) {
    console.error(`FAIL  ${words}\n${error.stack}`);
    process.exitCode = 1;
  }
};

const mock = await startMock();
const page = await open(mock);

await step('the sign-in link leaves no token in the address, and the time range is in it', async () => {
  await page.waitForURL(/\?t=1h$/);
  assert.ok(!page.url().includes('token'));
  await page.getByRole('heading', { name: '3 of 12 resources need attention' }).waitFor();
});
await step('verdicts arrive live', async () => {
  const cell = page.locator('tr[data-row="3"] .score b');
  const before = await page.locator('tbody .score').allInnerTexts();
  await page.waitForFunction((old) => JSON.stringify([...document.querySelectorAll('tbody .score')].map((e) => e.innerText)) !== old, JSON.stringify(before), { timeout: 12_000 });
  assert.ok(await cell.isVisible());
});
await step('p pauses the view', async () => {
  await page.keyboard.press('p');
  await page.getByText(/^Paused/).first().waitFor();
  await page.keyboard.press('p');
  await page.getByText('Live', { exact: true }).waitFor();
});
await step('j and Enter open a row; the heading is the resource', async () => {
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'shop/orders', level: 1 }).waitFor();
  await page.locator('canvas').first().waitFor();
});
await step('"why this number" opens, closes with Escape and gives the focus back', async () => {
  const why = page.getByRole('button', { name: /^Why: Resource/ });
  await why.click();
  await page.getByText('Head-room of what is bounded', { exact: false }).waitFor();
  await axe(page, 'why popover');
  await page.screenshot({ path: `${out}/why-1280-dark.png` });
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('Why?'));
});
await step('dragging over a chart zooms, and f follows live again', async () => {
  const over = await page.locator('.u-over').first().boundingBox();
  await page.mouse.move(over.x + 200, over.y + 60);
  await page.mouse.down();
  await page.mouse.move(over.x + 420, over.y + 60, { steps: 6 });
  await page.mouse.up();
  await page.waitForURL(/from=.*&to=/);
  await page.keyboard.press('f');
  await page.waitForURL(/\?t=\d+m$/);
});
await step('the range picker sets the address', async () => {
  await page.getByRole('button', { name: /Last \d+/ }).click();
  await page.screenshot({ path: `${out}/range-1280-dark.png` });
  await axe(page, 'range picker');
  await page.getByRole('button', { name: 'Last 6 hours 6h' }).click();
  await page.waitForURL(/t=6h/);
});
await step('the palette finds and goes', async () => {
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').getByRole('combobox').fill('ledger');
  await axe(page, 'palette');
  await page.screenshot({ path: `${out}/palette-1280-dark.png` });
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Ledger', level: 1 }).waitFor();
  assert.match(page.url(), /t=6h/);
});
await step('verify says what it found', async () => {
  await page.getByRole('button', { name: 'Verify now' }).click();
  await page.getByText('240 entries read', { exact: false }).waitFor();
});
await step('an entry opens with its receipt', async () => {
  await page.getByRole('button', { name: 'Open entry 239' }).click();
  await page.getByRole('button', { name: 'Show the receipt' }).click();
  await page.getByText('c2sp.org/tlog-proof@v1', { exact: false }).waitFor();
  await axe(page, 'entry');
  await page.keyboard.press('Escape');
});
await step('? lists the keys', async () => {
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await axe(page, 'help');
  await page.screenshot({ path: `${out}/help-1280-dark.png` });
  await page.keyboard.press('Escape');
});
await step('g i goes to the queue; d asks for a reason and takes it', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.getByRole('heading', { name: 'Interventions', level: 1 }).waitFor();
  await page.getByRole('link', { name: /Restart worker 2/ }).first().click();
  await page.getByRole('button', { name: /Approve/ }).waitFor();
  await page.locator('h1').click();
  await page.keyboard.press('d');
  await page.getByRole('button', { name: 'Reject this plan' }).click();
  await page.getByText('Say why: it goes into the ledger.').waitFor();
  await axe(page, 'reject');
  await page.screenshot({ path: `${out}/reject-1280-dark.png` });
  await page.keyboard.press('Escape');
});
await step('a approves exactly the digest that is shown', async () => {
  const sent = page.waitForRequest((r) => r.url().endsWith(':approve'));
  await page.keyboard.press('a');
  const request = await sent;
  assert.match(request.postDataJSON().digest, /^[0-9a-f]{64}$/);
  assert.equal(request.headers()['x-csrf-token'], 'mock-csrf');
  assert.match(request.headers()['idempotency-key'], /^[0-9a-f]{32}$/);
  await page.locator('article').getByText('Approved', { exact: true }).first().waitFor();
});
await step('a high risk must be held', async () => {
  await page.getByRole('link', { name: /Move 40 %/ }).first().click();
  const hold = page.getByRole('button', { name: /Hold to approve/ });
  await hold.click();
  await page.waitForTimeout(200);
  assert.equal(mock.world.interventions[1].approvals_given, 1);
  const box = await hold.boundingBox();
  await page.mouse.move(box.x + 20, box.y + 10);
  await page.mouse.down();
  await page.waitForTimeout(1100);
  await page.mouse.up();
  await page.locator('article').getByText('Approved', { exact: true }).first().waitFor();
});
await step('freeze is announced everywhere', async () => {
  await page.getByRole('button', { name: 'Freeze' }).first().click();
  await page.getByLabel('Reason').fill('deploy');
  await axe(page, 'freeze');
  await page.screenshot({ path: `${out}/freeze-1280-dark.png` });
  await page.getByRole('dialog').getByRole('button', { name: 'Freeze' }).click();
  await page.getByText('Everything is frozen: “deploy”', { exact: false }).waitFor();
});
await step('the editor shows faults with their lines while typing', async () => {
  await page.goto(`${mock.base}/playbooks/new`);
  const field = page.getByLabel('Playbook as YAML');
  const text = await field.inputValue();
  await field.fill(text.replace('autonomy: approve', 'autonomy: wild'));
  await page.getByText('line 20, 11').waitFor();
  await axe(page, 'editor with a fault');
  await page.screenshot({ path: `${out}/editor-1280-dark.png` });
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled());
  await field.fill(text);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByText('It would have acted 2 times.').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved as version 1').waitFor();
});
await step('SQL runs with Ctrl Enter and stands in the address', async () => {
  await page.goto(`${mock.base}/data`);
  await page.getByLabel('SQL').press('Control+Enter');
  await page.getByRole('heading', { name: '40 rows' }).waitFor();
  await axe(page, 'answer');
  await page.screenshot({ path: `${out}/answer-1280-dark.png` });
  assert.match(page.url(), /q=SELECT/);
});
await step('a key is shown once', async () => {
  await page.goto(`${mock.base}/settings/keys`);
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('What it is for').fill('ci');
  await axe(page, 'new key');
  await page.getByRole('button', { name: 'Make the key' }).click();
  await page.getByText(/^eb_[0-9a-f]{40}$/).waitFor();
  await page.screenshot({ path: `${out}/secret-1280-dark.png` });
  await page.getByRole('button', { name: 'I have kept it' }).click();
});
await step('a manual proposal names its faults and then goes the same way', async () => {
  await page.goto(`${mock.base}/interventions/new`);
  await page.getByRole('button', { name: 'Propose and try dry' }).click();
  await page.getByText('Name a resource as kind:name', { exact: false }).waitFor();
  await page.getByLabel('Target').fill('service:shop/front');
  await page.getByLabel('Reason').fill('too slow');
  await page.getByRole('button', { name: 'Propose and try dry' }).click();
  await page.getByRole('button', { name: 'Take up: try it dry' }).waitFor();
});
await step('signing out leads to the sign-in page and back to where one was', async () => {
  await page.getByRole('button', { name: 'Account: ada' }).click();
  await page.screenshot({ path: `${out}/account-1280-dark.png` });
  await axe(page, 'account menu');
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('Name').fill('ada');
  await page.getByLabel('Password').fill('correct horse battery');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: /resources? needs? attention|stable/ }).waitFor();
});
assert.deepEqual(errors, [], 'console errors');
await page.close();
await mock.stop();

const bare = await startMock({ empty: true });
const empty = await open(bare);
await step('an empty workspace names the next action on every page', async () => {
  await empty.getByText('Waiting for the first signal').waitFor();
  await empty.screenshot({ path: `${out}/empty-1280-dark.png` });
  for (const [path, words] of [['/interventions', 'Nothing waits for you'], ['/alerts', 'No alert fires'], ['/playbooks', 'No playbooks yet'], ['/slos', 'No objectives yet'], ['/settings/keys', 'No API key yet'], ['/ledger', 'No entries in this time'], ['/resources', 'Waiting for the first signal']]) {
    await empty.goto(bare.base + path);
    await empty.getByText(words).first().waitFor();
    await axe(empty, path);
  }
});
await step('what is not there says so, with an id to quote', async () => {
  errors.length = 0;
  await empty.goto(`${bare.base}/resources/service%3Anone`);
  await empty.getByText('Not found').first().waitFor();
  await empty.getByRole('button', { name: 'Copy id' }).first().waitFor();
  await axe(empty, 'not found');
  await empty.screenshot({ path: `${out}/notfound-1280-dark.png` });
});
await bare.stop();
await browser.close();
console.log(process.exitCode ? 'failed' : 'all as it should be');
