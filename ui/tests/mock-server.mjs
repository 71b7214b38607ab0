// Serves `dist` with the content security policy of the real server, and the API from made-up data.
//   node tests/mock-server.mjs [--port 7799] [--seed 7] [--empty]
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeWorld } from './mock-data.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png' };
const ACTIONS = ['ProposeIntervention', 'ApproveIntervention', 'RejectIntervention', 'RollbackIntervention', 'Freeze', 'Unfreeze', 'AckAlert', 'LabelIncident', 'WriteModels', 'ReadSettings', 'WritePlaybooks', 'WriteSlos', 'ReadSlos', 'Backtest', 'Query', 'ReadLedger', 'VerifyLedger', 'ExportLedger', 'ReadPrincipals', 'WritePrincipals', 'ReadKeys', 'WriteKeys', 'ReadTenants', 'WriteTenants', 'ViewOverview', 'ReadResources', 'ReadSignals', 'ReadInterventions', 'ReadAlerts', 'ReadPlaybooks'];

export async function startMock({ port = 0, seed = 7, empty = false } = {}) {
  const world = makeWorld(seed);
  if (empty) {
    for (const name of ['changes', 'resources', 'interventions', 'alerts', 'playbooks', 'entries', 'keys', 'dependencies', 'slos']) world[name] = [];
  }
  const streams = new Set();
  let event = 0;
  const publish = (topic, data) => {
    event += 1;
    for (const res of streams) res.write(`id: ${event}\nevent: ${topic}\ndata: ${JSON.stringify({ topic, data })}\n\n`);
  };
  const beat = setInterval(() => {
    const at = Date.now();
    for (const r of world.resources) r.score = Math.max(0, Math.min(1, r.score + (world.rnd() - 0.5) * 0.03));
    publish('assessments', world.resources.slice(0, 6).map((r) => world.assess(r, at)));
    publish('ledger', { ...world.ledger });
  }, 3000);

  const session = () => ({ principal_id: world.admin.id, name: 'ada', role: 'admin', tenant: 'default', permissions: ACTIONS, csrf_token: 'mock-csrf', version: '0.1.0' });
  const summary = ({ steps, previews, success, verify_within_s, envelope, approvals, receipts, epoch, score_before, risk_before, ...rest }) => rest;
  const OPEN = ['proposed', 'validated', 'approved', 'executing', 'rolling_back'];

  class Refused extends Error {
    constructor(status, title, detail, errors) {
      super(detail);
      Object.assign(this, { status, title, errors });
    }
  }
  const page = (all, q) => {
    const limit = Number(q.get('limit') ?? 50);
    const from = Number(q.get('cursor') ?? 0);
    const items = all.slice(from, from + limit);
    return { items, ...(from + limit < all.length ? { next_cursor: String(from + limit) } : {}) };
  };
  const find = (all, id, what) => {
    const found = all.find((x) => x.id === id);
    if (!found) throw new Refused(404, 'Not found', `there is no ${what} \`${id}\``);
    return found;
  };
  const span = (q) => {
    const to = Date.parse(q.get('to') ?? '') || Date.now();
    return [Date.parse(q.get('from') ?? '') || to - 3_600_000, to, Number(q.get('max_points') ?? 300)];
  };
  const change = (one, by) => {
    Object.assign(one, by, { updated_at: world.iso(Date.now()) });
    publish('intervention', summary(one));
    return one;
  };

  function check(source) {
    const errors = [];
    source.split('\n').forEach((line, i) => {
      if (line.includes('\t')) errors.push({ line: i + 1, column: line.indexOf('\t') + 1, detail: 'tabs are not allowed in YAML' });
      const m = /^autonomy:\s*(\S+)/.exec(line);
      if (m && !['observe', 'suggest', 'approve', 'auto'].includes(m[1])) errors.push({ line: i + 1, column: 11, detail: `\`${m[1]}\` is none of observe, suggest, approve, auto` });
    });
    if (!/^name:/m.test(source)) errors.push({ line: 1, column: 1, detail: 'the member `name` is missing' });
    return errors;
  }

  function route(method, path, q, body) {
    const at = `${method} ${path}`;
    let m;
    if (at === 'GET /overview') {
      const rs = world.resources.map(world.wire);
      return {
        at: world.iso(Date.now() - 3000), resources_total: rs.length, resources_attention: rs.filter((r) => r.assessment.score < 0.7 || r.assessment.risk.probability > 0.5).length, resources: rs,
        approvals: world.interventions.filter((i) => i.state === 'validated').map(summary).reverse(), alerts: world.alerts.filter((a) => a.state === 'firing'),
        last_intervention: world.interventions.find((i) => i.state === 'verified') ? summary(world.interventions.find((i) => i.state === 'verified')) : null, freezes: world.freezes, ledger: world.ledger, cycle_s: 0.0042, rows_last_minute: empty ? 0 : 18_432,
      };
    }
    if (at === 'GET /resources') return page(world.resources.map(world.wire).filter((r) => (!q.get('kind') || r.kind === q.get('kind')) && r.id.includes(q.get('q') ?? '')), q);
    if ((m = /^GET \/resources\/([^/]+)(?:\/(\w+))?$/.exec(at))) {
      const r = find(world.resources, decodeURIComponent(m[1]), 'resource');
      const [from, to, max] = span(q);
      if (!m[2]) {
        const one = world.wire(r);
        const hit = world.dependencies.filter((d) => d.to === r.id).map((d) => ({ resource_id: d.from, path: [r.id, d.from], ails: false }));
        return one.assessment.score < 0.7 ? { ...one, failure_path: { origin: r.id, chain: [r.id], hit, words: `It begins at ${r.id.split(':')[1]} itself.` } } : one;
      }
      if (m[2] === 'causes') return world.causes(r);
      if (m[2] === 'plan') return world.advice(r);
      if (m[2] === 'assessments') return world.history(r, from, to, max);
      if (m[2] === 'series') return { items: r.series };
      if (m[2] === 'points') return world.points(r, q.get('metric'), from, to, max);
      if (m[2] === 'feedback') return world.feedback(r);
      if (m[2] === 'judged') return world.judged(r, q.get('metric'), from, to, max);
      if (m[2] === 'forecast') {
        return world.points(r, q.get('metric'), from, to, 120).map(({ series, times_ms, mean }) => {
          const step_ms = times_ms[1] - times_ms[0];
          const ahead = Array.from({ length: 30 }, (_, i) => mean[mean.length - 30 + i]);
          return {
            series, step_ms, season_s: null, times_ms: ahead.map((_, i) => times_ms.at(-1) + (i + 1) * step_ms), mean: ahead, low: ahead.map((v) => v * 0.9), high: ahead.map((v) => v * 1.1),
            backtest: { error: Math.abs(mean[0]) * 0.04, naive_error: Math.abs(mean[0]) * 0.07, coverage: 0.95, methods: [{ name: 'damped trend', weight: 0.6, error: 0.04 }, { name: 'similar stretches', weight: 0.4, error: 0.05 }], runs: [{ times_ms: times_ms.slice(-30), mean: ahead.map((v) => v * 1.02), actual: ahead }] },
          };
        });
      }
    }
    if (at === 'GET /anomalies') return page(world.resources.flatMap((r) => r.anomalies).filter((a) => !q.get('resource_id') || a.resource_id === q.get('resource_id')), q);
    if (at === 'GET /changes') return page(world.changes.filter((c) => !q.get('resource_id') || c.resource_id === q.get('resource_id')), q);
    if ((m = /^GET \/anomalies\/([^/:]+)$/.exec(at))) {
      const a = find(world.resources.flatMap((r) => r.anomalies), m[1], 'anomaly');
      const r = find(world.resources, a.resource_id, 'resource');
      return { anomaly: a, labels: world.incidents.filter((i) => i.anomaly_id === a.id), changes: world.changes.slice(0, 1), judged: world.judged(r, a.metric, Date.parse(a.started_at) - 1_800_000, Date.now(), 200) };
    }
    if ((m = /^POST \/resources\/([^/]+):(whatif|rereference)$/.exec(at))) {
      const r = find(world.resources, decodeURIComponent(m[1]), 'resource');
      if (m[2] === 'rereference') return { id: world.uuid(world.rnd), resource_id: r.id, metric: body.metric ?? null, note: '', taken_by: world.admin.id, taken_at: world.iso(Date.now()) };
      const [now, then] = [world.assess(r), world.assess({ ...r, score: Object.keys(body.vitals).length ? 0.93 : r.score })];
      return { now, then, dependencies: { 'service:shop/store': 0.62 }, words: `The score would ${then.score > now.score ? 'rise' : 'stay'} at ${then.score.toFixed(2)}.` };
    }
    if (at === 'GET /feedback') return world.feedback();
    if (at === 'GET /dependencies') return { items: world.dependencies.filter((d) => !q.get('resource_id') || [d.from, d.to].includes(q.get('resource_id'))) };
    if (at === 'GET /interventions') return page(world.interventions.filter((i) => (!q.get('state') || (q.get('state') === 'open' ? OPEN.includes(i.state) : i.state === q.get('state'))) && (!q.get('target') || i.target === q.get('target'))).map(summary), q);
    if (at === 'POST /interventions') {
      const made = { ...structuredClone(world.interventions[0]), ...body, id: world.uuid(world.rnd), state: 'proposed', previews: [], digest: null, title: `${body.actuator} ${body.steps[0].action} on ${body.target}`, proposer_type: 'principal', proposer_id: world.admin.id, proposer_name: 'ada' };
      world.interventions.unshift(made);
      return made;
    }
    if ((m = /^GET \/interventions\/([^/:]+)$/.exec(at))) return find(world.interventions, m[1], 'intervention');
    if ((m = /^POST \/interventions\/([^/:]+):(\w+)$/.exec(at))) {
      const one = find(world.interventions, m[1], 'intervention');
      if (m[2] === 'approve') {
        if (body.digest !== one.digest) throw new Refused(409, 'The state does not allow it', 'the plan changed since it was shown; look again');
        const given = one.approvals_given + 1;
        return change(one, { approvals_given: given, state: given >= one.approvals_needed ? 'approved' : 'validated', approvals: [...one.approvals, { by: world.admin.id, at: world.iso(Date.now()), digest: one.digest }] });
      }
      return change(one, { state: { reject: 'rejected', rollback: 'rolling_back', cancel: 'cancelled', validate: 'validated' }[m[2]], state_reason: body?.reason ?? '' });
    }
    if (at === 'GET /freeze') return world.freezes;
    if (at === 'POST /freeze') {
      world.freezes = [...world.freezes, { scope: body.scope ?? 'tenant', reason: body.reason, by: world.admin.id, since: world.iso(Date.now()), release_requested_by: null }];
      publish('freezes', world.freezes);
      return world.freezes;
    }
    if (at === 'POST /freeze:release') {
      world.freezes = world.freezes.filter((f) => f.scope !== body.scope);
      publish('freezes', world.freezes);
      return world.freezes;
    }
    if (at === 'GET /alerts') return page(world.alerts.filter((a) => (!q.get('state') || a.state === q.get('state')) && (!q.get('slo_id') || a.labels.slo === q.get('slo_id'))), q);
    if ((m = /^POST \/alerts\/([^/:]+):acknowledge$/.exec(at))) {
      const one = Object.assign(find(world.alerts, m[1], 'alert'), { state: 'acknowledged', ended_at: world.iso(Date.now()) });
      publish('alert', one);
      return one;
    }
    if (at === 'GET /incidents') return page(world.incidents.filter((i) => !q.get('resource_id') || i.resource_id === q.get('resource_id')), q);
    if (at === 'POST /incidents') {
      const one = { id: `01900000-0000-7000-8000-${String(world.incidents.length).padStart(12, '0')}`, metric: null, ended_at: null, note: '', labelled_by: world.admin.id, labelled_at: world.iso(Date.now()), ...body };
      world.incidents.unshift(one);
      return one;
    }
    if ((m = /^DELETE \/incidents\/([^/:]+)$/.exec(at))) {
      world.incidents.splice(world.incidents.indexOf(find(world.incidents, m[1], 'incident')), 1);
      return undefined;
    }
    if (at === 'GET /models/risk') return world.card();
    if (at === 'GET /models') return page(world.models, q);
    if (at === 'GET /jobs') return page(world.jobs.filter((j) => !q.get('kind') || j.kind === q.get('kind')), q);
    if (at === 'POST /models:train') {
      const one = { ...world.jobs[0], id: world.uuid(world.rnd), state: 'running', progress: 0.4, message: 'reading the history', started_at: world.iso(Date.now()), ended_at: null };
      world.jobs.unshift(one);
      return one;
    }
    if ((m = /^POST \/jobs\/([^/:]+):cancel$/.exec(at))) return Object.assign(find(world.jobs, m[1], 'job'), { state: 'cancelled', message: 'cancelled; nothing was changed', ended_at: world.iso(Date.now()) });
    if ((m = /^POST \/models\/([^/:]+):promote$/.exec(at)) || at === 'POST /models:rollback') {
      for (const one of world.models) Object.assign(one, { in_use: one.version === (m?.[1] ?? 'shipped'), state: one.version === (m?.[1] ?? 'shipped') ? 'champion' : 'retired', decision: 'by hand' });
      return world.models.find((one) => one.in_use);
    }
    if (at === 'GET /slos') return page(world.slos.filter((s) => !q.get('resource_id') || s.selector_resource === q.get('resource_id')).map((s) => ({ ...s, history: [], recent: [] })), q);
    if ((m = /^GET \/slos\/([^/:]+)$/.exec(at))) return find(world.slos, m[1], 'objective');
    if (at === 'POST /slos:preview') return { from: world.iso(Date.now() - body.days * 86_400_000), to: world.iso(Date.now()), words: `in the last ${body.days} days it would have told 2 pages and 1 ticket`, pages: 2, tickets: 1, alerts: [['page', 50, 49.2], ['ticket', 49, 40], ['page', 3, null]].map(([urgency, from, to]) => ({ urgency, from: world.iso(Date.now() - from * 3_600_000), to: to === null ? null : world.iso(Date.now() - to * 3_600_000), rate: 18.3 })), status: world.slos[0].status, history: world.slos[0].history };
    if (at === 'POST /slos' || (m = /^PUT \/slos\/([^/:]+)$/.exec(at))) {
      if (world.slos.some((s) => s.name === body.name && s.id !== m?.[1])) throw new Refused(409, 'The state does not allow it', `objective \`${body.name}\`: the name is taken`);
      const one = m ? find(world.slos, m[1], 'objective') : { ...world.slos[2], id: world.uuid(world.rnd), version: 0 };
      if (!m) world.slos.unshift(one);
      return Object.assign(one, body, { version: one.version + 1 });
    }
    if ((m = /^DELETE \/slos\/([^/:]+)$/.exec(at))) {
      world.slos.splice(world.slos.indexOf(find(world.slos, m[1], 'objective')), 1);
      return undefined;
    }
    if (at === 'GET /playbooks') return page(world.playbooks, q);
    if ((m = /^GET \/playbooks\/([^/:]+)(\/versions)?$/.exec(at))) {
      const one = find(world.playbooks, m[1], 'playbook');
      return m[2] ? { items: Array.from({ length: one.version }, (_, i) => ({ ...one, version: one.version - i, source: i === 0 ? one.source : one.source.replace('30s', `${(i + 1) * 30}s`), saved_at: world.iso(Date.now() - i * 86_400_000) })) } : one;
    }
    if (at === 'POST /playbooks:validate') return { valid: check(body.source).length === 0, errors: check(body.source) };
    if (at === 'POST /playbooks:backtest') return { from: body.from, to: body.to, evaluated: 60_480, unknown: 12, matched: 41, actions: [1, 2, 3, 4].map((n) => ({ at: world.iso(Date.now() - n * 7_000_000), resource_id: 'service:shop/orders', score: 0.41, risk: 0.71, suppressed_by: n % 2 ? null : 'cooldown', words: 'memory utilization was above 0.9 for 30 s.' })), actions_folded: 0 };
    if (at === 'POST /playbooks' || (m = /^PUT \/playbooks\/([^/:]+)$/.exec(at))) {
      const errors = check(body.source);
      if (errors.length) throw new Refused(422, 'The request breaks a rule', 'the source has faults', errors);
      const one = m ? find(world.playbooks, m[1], 'playbook') : { ...world.playbooks[0], id: world.uuid(world.rnd), version: 0 };
      if (!m) world.playbooks.unshift(one);
      return Object.assign(one, { source: body.source, version: one.version + 1, name: /^name:\s*(\S+)/m.exec(body.source)?.[1] ?? one.name });
    }
    if ((m = /^POST \/playbooks\/([^/:]+):(enable|disable)$/.exec(at))) return Object.assign(find(world.playbooks, m[1], 'playbook'), { enabled: m[2] === 'enable' });
    if (at === 'GET /ledger') return world.ledger;
    if (at === 'GET /ledger/entries') return page(world.entries.filter((e) => e.action.startsWith(q.get('action') ?? '') && (!q.get('resource_id') || e.resource_id === q.get('resource_id')) && (!q.get('from') || e.ts >= q.get('from')) && (!q.get('to') || e.ts < q.get('to'))), q);
    if ((m = /^GET \/ledger\/entries\/(\d+)(\/receipt)?$/.exec(at))) {
      const e = world.entries.find((x) => x.seq === Number(m[1]));
      if (!e) throw new Refused(404, 'Not found', `there is no entry ${m[1]}`);
      return m[2] ? { seq: e.seq, proof: `c2sp.org/tlog-proof@v1\nindex ${e.seq}\n${e.leaf}\n${e.prev}\n\nechobase/default\n240\n${e.leaf}\n\n— echobase Az3grl…\n`, entry: JSON.stringify({ v: 1, seq: e.seq, action: e.action }) } : e;
    }
    if (at === 'GET /ledger/checkpoint') {
      if (empty) throw new Refused(404, 'Not found', 'no checkpoint is signed yet');
      return { size: 236, root: world.prev, note: `echobase/default\n236\nn0rY8…\n\n— echobase Az3grlgtzPICa5OS8n…\n`, signed_at: world.ledger.checkpoint_at, vkey: `echobase+1a2b3c4d+${'Ab3'.repeat(14)}` };
    }
    if (at === 'POST /ledger:verify') return { intact: true, entries: world.entries.length, root: world.prev, findings: [], elapsed_ms: 12 };
    if (at === 'GET /principals') return page(world.principals, q);
    if (at === 'POST /principals') return { principal: { ...world.admin, id: world.uuid(world.rnd), name: body.name }, signin_path: `/signin?token=${world.hex(world.rnd, 32)}` };
    if ((m = /^PATCH \/principals\/([^/:]+)$/.exec(at))) return Object.assign(find(world.principals, m[1], 'principal'), body);
    if (at === 'GET /keys') return page(world.keys, q);
    if (at === 'POST /keys' || /^POST \/keys\/[^/:]+:rotate$/.test(at)) return { key: world.keys[0], secret: `eb_${world.hex(world.rnd, 40)}` };
    if (/^DELETE \/keys\//.test(at)) return undefined;
    if (at === 'GET /tenants') return page(world.tenants, q);
    if (at === 'POST /query') {
      if (!/^\s*(select|show|with)/i.test(body.sql)) throw new Refused(422, 'The request breaks a rule', 'only one SELECT is allowed here');
      return { columns: [{ name: 'time', data_type: 'Timestamp(Microsecond, Some("UTC"))' }, { name: 'resource_id', data_type: 'Utf8' }, { name: 'metric', data_type: 'Utf8' }, { name: 'value', data_type: 'Float64' }], rows: Array.from({ length: 40 }, (_, i) => [world.iso(Date.now() - i * 5000), world.resources[i % 12]?.id ?? '', 'system.cpu.utilization', 0.3 + world.rnd() * 0.1]), truncated: false, elapsed_ms: 8 };
    }
    if (at === 'PUT /session/password') return undefined;
    throw new Refused(404, 'Not found', `nothing answers at ${path}`);
  }

  const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://mock');
    const chunks = [];
    req.on('data', (c) => chunks.push(c));
    req.on('end', () => void answer(req, res, url, Buffer.concat(chunks).toString()));
  });

  async function answer(req, res, url, text) {
    res.setHeader('Content-Security-Policy', CSP);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Referrer-Policy', 'no-referrer');
    const json = (status, body, type = 'application/json') => {
      res.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
      res.end(body === undefined ? '' : JSON.stringify(body));
    };
    const problem = (status, title, detail, errors = []) => json(status, { type: 'urn:echobase:problem:mock', title, status, detail, instance: `urn:uuid:${world.uuid(world.rnd)}`, errors }, 'application/problem+json');
    if (!url.pathname.startsWith('/api/v1/')) return file(res, url.pathname);
    const path = url.pathname.slice('/api/v1'.length);
    const signedIn = /(?:^|;\s*)echobase=mock/.test(req.headers.cookie ?? '');
    const body = text ? JSON.parse(text) : {};
    if (req.method === 'POST' && (path === '/session' || path === '/session:redeem')) {
      if (path === '/session' ? body.password !== 'correct horse battery' : body.token !== 'demo') return problem(401, 'Sign in first', 'name or password is wrong, or the account is switched off');
      res.setHeader('Set-Cookie', 'echobase=mock; Path=/; HttpOnly; SameSite=Lax');
      return json(200, session());
    }
    if (!signedIn) return problem(401, 'Sign in first', 'sign in at /signin, or send an API key');
    if (path === '/session') {
      if (req.method === 'DELETE') res.setHeader('Set-Cookie', 'echobase=; Path=/; Max-Age=0');
      return req.method === 'DELETE' ? json(204) : json(200, session());
    }
    if (path === '/live') {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      res.write(': hello\n\n');
      streams.add(res);
      res.on('close', () => streams.delete(res));
      return undefined;
    }
    if (req.method !== 'GET' && req.headers['x-csrf-token'] !== 'mock-csrf') return problem(403, 'Not allowed', 'the request lacks the right `X-CSRF-Token`');
    try {
      const found = route(req.method, path, url.searchParams, body);
      return json(found === undefined ? 204 : req.method === 'POST' && /^\/(interventions|playbooks|slos|keys|principals|tenants)$/.test(path) ? 201 : 200, found);
    } catch (error) {
      if (error instanceof Refused) return problem(error.status, error.title, error.message, error.errors);
      console.error(error);
      return problem(500, 'Internal error', String(error));
    }
  }

  async function file(res, path) {
    const name = normalize(path).replace(/^\/+/, '') || 'index.html';
    for (const candidate of extname(name) ? [name] : ['index.html']) {
      try {
        const bytes = await readFile(join(HERE, '../dist', candidate));
        res.writeHead(200, { 'Content-Type': TYPES[extname(candidate)] ?? 'application/octet-stream', 'Cache-Control': candidate.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' });
        return res.end(bytes);
      } catch {
        // Falls through to 404.
      }
    }
    res.writeHead(404).end('not found');
    return undefined;
  }

  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    world,
    stop: () => {
      clearInterval(beat);
      for (const res of streams) res.end();
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => (process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : otherwise);
  const mock = await startMock({ port: Number(option('port', 7799)), seed: Number(option('seed', 7)), empty: process.argv.includes('--empty') });
  console.log(`${mock.base}/signin?token=demo`);
}
