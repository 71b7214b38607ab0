// A made-up but consistent workspace, the same for each seed: for screenshots and page walks without a server.
const DAY = 86_400_000;

function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const iso = (ms) => new Date(ms).toISOString().replace('Z', '000Z');
const hex = (rnd, n) => Array.from({ length: n }, () => Math.floor(rnd() * 16).toString(16)).join('');
const uuid = (rnd) => `0193${hex(rnd, 4)}-${hex(rnd, 4)}-7${hex(rnd, 3)}-a${hex(rnd, 3)}-${hex(rnd, 12)}`;

const PLANTS = [
  ['service:shop/orders', 0.34, 0.86, 'memory'],
  ['service:shop/checkout', 0.58, 0.41, 'errors'],
  ['engine:llama-3-8b', 0.66, 0.55, 'latency'],
  ['host:node-3', 0.81, 0.12, ''],
  ['service:shop/catalog', 0.88, 0.06, ''],
  ['service:shop/payments', 0.9, 0.05, ''],
  ['service:shop/front', 0.91, 0.04, ''],
  ['host:node-1', 0.93, 0.03, ''],
  ['service:store/postgres', 0.95, 0.02, ''],
  ['agent:support-triage', 0.96, 0.02, ''],
  ['process:nightly-invoicing', 0.98, 0.01, ''],
  ['host:node-2', 0.99, 0.004, ''],
];

const WHY = {
  memory: 'memory utilization is 0.93 and grows by 0.11 an hour; it was 0.52 an hour ago',
  errors: '7.2 % of requests failed in the last minute, normal is 0.3 %',
  latency: 'the 99th percentile takes 4.1 s, normal is 1.2 s',
};

export function makeWorld(seed = 7, now = Date.now()) {
  const rnd = random(seed);
  const series = (metric, unit, kind, attributes = {}) => ({ id: hex(rnd, 16), metric, unit, kind, attributes });
  const resources = PLANTS.map(([id, score, risk, trouble], n) => {
    const [kind, ...rest] = id.split(':');
    const own = [
      series('system.cpu.utilization', '1', 'gauge', { cpu: '0' }),
      series('system.cpu.utilization', '1', 'gauge', { cpu: '1' }),
      series('system.memory.utilization', '1', 'gauge', { state: 'used' }),
      series('http.server.request.duration', 's', 'histogram'),
      series('http.server.active_requests', '{request}', 'updowncounter'),
      series('http.server.errors', '{request}', 'counter'),
      series('process.open_file_descriptors', '{fd}', 'gauge'),
      series('system.network.io', 'By', 'counter', { direction: 'receive', device: 'eth0' }),
    ];
    const trend = Array.from({ length: 60 }, (_, i) => Math.min(1, Math.max(0, (trouble ? 0.92 + (score - 0.92) * Math.min(1, Math.max(0, (i - 24) / 30)) : score) + (rnd() - 0.5) * 0.04)));
    trend[59] = score;
    return { id, kind, name: rest.join(':'), score, risk, trouble, n, series: own, trend };
  });

  const reason = (r, contribution) => ({
    metric: r.trouble === 'memory' ? 'system.memory.utilization' : r.trouble === 'errors' ? 'http.server.errors' : 'http.server.request.duration',
    series: r.series[r.trouble === 'memory' ? 2 : r.trouble === 'errors' ? 5 : 3].id,
    value: r.trouble === 'memory' ? 0.93 : r.trouble === 'errors' ? 0.072 : 4.1,
    expected: r.trouble === 'memory' ? 0.52 : r.trouble === 'errors' ? 0.003 : 1.2,
    contribution,
    words: WHY[r.trouble],
  });

  const anomaly = (r, i) => ({
    id: uuid(rnd),
    resource_id: r.id,
    series: r.series[r.trouble === 'memory' ? 2 : r.trouble === 'errors' ? 5 : 3].id,
    metric: r.trouble === 'memory' ? 'system.memory.utilization{state=used}' : r.trouble === 'errors' ? 'http.server.errors' : 'http.server.request.duration',
    started_at: iso(now - (i === 0 ? 31 : 52) * 60_000),
    ended_at: i === 0 ? null : iso(now - 44 * 60_000),
    severity: i === 0 ? (r.risk > 0.8 ? 'critical' : 'warning') : 'info',
    shape: r.trouble === 'memory' ? 'drift' : i === 0 ? 'level_shift' : 'spike',
    surprise: i === 0 ? 14.2 : 5.1,
    value: 0.93,
    expected: 0.52,
    evidence: { witness: 'level', witness_words: 'the level against the slow baseline', onset: 6.1, bar: 5.4, low: 0.46, high: 0.58, drivers: i === 1 ? [{ series: r.series[0].id, metric: 'system.cpu.utilization', share: 0.6 }, { series: r.series[2].id, metric: 'system.memory.utilization{state=used}', share: 0.4 }] : [] },
    outcome: { companions: 1, harmed: true },
    words: WHY[r.trouble],
  });
  const tally = (alerts, noise) => ({ alerts, real: Math.min(1, alerts), noise, expected: 0, unconfirmed: alerts > 2 ? 1 : 0, per_series_week: alerts / 8, false_per_series_week: noise / 8 });
  const feedback = (r) => ({
    budget_per_series_week: 2, watched_since: iso(now - 9 * DAY), week: tally(3, 1), month: tally(4, 1), series_judged: r ? r.series.length + 1 : 240,
    ...(r
      ? { series: [...new Set(r.anomalies.map((a) => a.metric))].map((metric) => ({ metric, series: r.series[0].id, bar: 5.9, bar_of_budget: 5.4, factor: 1.1, week: tally(3, 1), month: tally(4, 1), expected_now: null })), references: [{ id: 'x', resource_id: r.id, metric: 'queue.length', note: 'a larger shop', taken_by: '0190', taken_at: iso(now - 3_600_000) }] }
      : { loudest: resources.filter((x) => x.trouble).map((x) => ({ resource_id: x.id, alerts: 4, false_alerts: 1 })) }),
  });
  const judged = (r, metric, from, to, max) => {
    const n = Math.min(max, 200);
    const times_ms = Array.from({ length: n }, (_, i) => Math.round(from + ((to - from) * i) / (n - 1)));
    const expected = times_ms.map((t) => 0.5 + 0.05 * Math.sin(t / 300_000));
    const value = expected.map((e, i) => e + 0.01 * Math.sin(i * 7) + (i > 0.6 * n ? 0.3 : 0));
    return { metric, times_ms, value, expected, low: expected.map((e) => e - 0.06), high: expected.map((e) => e + 0.06), surprise: value.map((v, i) => (i > 0.6 * n ? 6.4 : 0.4)), bar: times_ms.map(() => 5.4) };
  };
  for (const r of resources) r.anomalies = r.trouble ? [anomaly(r, 0), anomaly(r, 1)] : [];

  function assess(r, at = now) {
    const bad = { memory: 'resource', errors: 'error', latency: 'performance' }[r.trouble];
    const weights = r.trouble ? { resource: 0.2, error: 0.2, performance: 0.2, dependency: 0.1, [bad]: 0.5 } : { resource: 0.3, error: 0.3, performance: 0.25, dependency: 0.15 };
    const total = Object.values(weights).reduce((a, b) => a + b, 0);
    return {
      resource_id: r.id,
      at: iso(at),
      last_signal_at: iso(at - 2_000),
      series: r.series.length,
      score: r.score,
      components: ['resource', 'error', 'performance', 'dependency'].map((name) => {
        const none = name === 'dependency' && r.kind === 'host';
        return {
          name,
          score: none ? null : name === bad ? Math.max(0.05, r.score - 0.3) : Math.min(1, 0.86 + r.n * 0.01),
          weight: none ? 0 : weights[name] / total,
          reasons: name === bad ? [reason(r, 0.71), { ...reason(r, 0.08), words: 'processor utilization is 0.81, normal is 0.64', metric: 'system.cpu.utilization', value: 0.81, expected: 0.64 }] : [],
        };
      }),
      risk: { probability: r.risk, horizon_s: 900, predictable: r.n !== 10, expected_in_s: r.trouble === 'memory' ? 2280 : null, likely_in_s: r.risk > 0.5 ? 640 : null, horizons: [[300, 0.4, 'learned'], [900, 1, 'learned'], [3600, 1.08, 'hazards'], [86400, 1.1, 'nothing']].map(([horizon_s, k, basis]) => ({ horizon_s, probability: Math.min(0.99, r.risk * k), predictable: basis !== 'nothing', basis, words: basis === 'nothing' ? 'within 24 h: not predictable yet; watched for 2 h, and a trend is believed 6 times as far ahead as it was seen' : basis === 'hazards' ? 'within 60 min: trends and present harm alone speak; the learned model was measured up to 15 min ahead at these steps' : 'trends, present harm and the learned model' })), features: r.trouble ? [reason(r, 0.52), { ...reason(r, 0.18), words: 'the drift of this series passed its threshold 31 minutes ago', metric: 'drift' }] : [] },
      vitals: {
        cpu_utilization: { value: 0.31 + r.n * 0.03, normal: 0.3, metric: 'system.cpu.utilization' },
        memory_utilization: { value: r.trouble === 'memory' ? 0.93 : 0.54, normal: 0.52, metric: 'system.memory.utilization' },
        ...(r.kind === 'host'
          ? { disk_utilization: { value: 0.88, normal: 0.86, metric: 'system.filesystem.utilization' }, load_per_cpu: { value: 0.7, normal: 0.6, metric: 'system.cpu.load_average.1m' } }
          : { request_rate: { value: 132.4, normal: 120, metric: 'http.server.request.duration' }, error_ratio: { value: r.trouble === 'errors' ? 0.072 : 0.002, normal: 0.003, metric: 'http.server.errors' }, latency_p99: { value: r.trouble === 'latency' ? 4.1 : 0.21, normal: 0.2, metric: 'http.server.request.duration' } }),
        up: { value: 1, normal: null, metric: 'up' },
      },
      anomalies: r.anomalies.filter((a) => !a.ended_at),
      drift: r.trouble === 'memory' ? [{ series: r.series[2].id, metric: 'system.memory.utilization{state=used}', since: iso(now - 31 * 60_000), kind: 'step', found_at: iso(now - 29 * 60_000), reference: { from: iso(now - 8 * 3_600_000), points: 5400, seasonal: false, false_per_month: 1 }, statistic: 2.7, before: 0.52, after: 0.9, words: 'memory utilization left its reference of 0.52 and stays near 0.9' }] : [],
      exhaustion: r.trouble === 'memory' ? [{ vital: 'memory_utilization', metric: 'system.memory.utilization{state=used}', used_ratio: 0.93, growth_per_hour: 0.11, time_left_s: 2280, words: '93 % used, 11 points more each hour' }] : r.id === 'host:node-3' ? [{ vital: 'disk_utilization', metric: 'system.filesystem.utilization{mountpoint=/var}', used_ratio: 0.88, growth_per_hour: 0.004, time_left_s: 108_000, words: '88 % used, 0.4 points more each hour' }] : [],
    };
  }

  const wire = (r) => ({
    id: r.id,
    kind: r.kind,
    name: r.name,
    attributes: { 'service.name': r.name, 'service.version': '2.4.1', 'deployment.environment.name': 'production', 'os.type': 'linux' },
    first_seen: iso(now - 9 * DAY),
    last_seen: iso(Date.now() - 2_000),
    assessment: assess(r, Date.now() - 4_000),
    trend: r.trend,
  });

  // How bad it was at a time: troubles begin 31 minutes ago.
  const trouble = (r, t) => (r.trouble ? Math.min(1, Math.max(0, (t - (now - 36 * 60_000)) / (30 * 60_000))) : 0);
  const wave = (r, t, k) => Math.sin(t / (180_000 + 40_000 * k) + r.n * 1.7 + k) * 0.5 + Math.sin(t / 31_000 + k * 3) * 0.2;

  function steps(from, to, max) {
    const begin = Math.max(from, now - 6 * DAY);
    const n = Math.min(max, Math.max(2, Math.floor((to - begin) / 10_000)));
    return Array.from({ length: n }, (_, i) => Math.round(begin + ((to - begin) * i) / (n - 1)));
  }

  function history(r, from, to, max) {
    const times = steps(from, to, max);
    const bad = { memory: 0, errors: 1, latency: 2 }[r.trouble];
    const components = ['resource', 'error', 'performance', 'dependency'].map((name, k) => ({
      name,
      score: times.map((t) => (name === 'dependency' && r.kind === 'host' ? null : Math.max(0, Math.min(1, 0.95 + wave(r, t, k) * 0.03 - (k === bad ? trouble(r, t) * 0.8 : 0))))),
      weight: times.map((t) => (k === bad ? 0.25 + 0.25 * trouble(r, t) : 0.25 - (bad === undefined ? 0 : 0.083 * trouble(r, t)))),
    }));
    return {
      times_ms: times,
      score: times.map((t) => Math.max(0, Math.min(1, r.score + (0.93 - r.score) * (1 - trouble(r, t)) + wave(r, t, 5) * 0.02))),
      risk: times.map((t) => Math.max(0, Math.min(1, r.risk * (r.trouble ? trouble(r, t) : 1) + Math.abs(wave(r, t, 6)) * 0.02))),
      components,
    };
  }

  function points(r, metric, from, to, max) {
    const times = steps(from, to, max);
    return r.series.filter((s) => !metric || s.metric === metric).map((s, k) => {
      const base = { 'system.cpu.utilization': 0.34, 'system.memory.utilization': 0.52, 'http.server.request.duration': 0.19, 'http.server.active_requests': 14, 'http.server.errors': 0.3, 'process.open_file_descriptors': 212, 'system.network.io': 2.4e6 }[s.metric] ?? 1;
      const hit = (r.trouble === 'memory' && s.metric.includes('memory')) || (r.trouble === 'errors' && s.metric.includes('errors')) || (r.trouble === 'latency' && s.metric.includes('duration'));
      const mean = times.map((t) => base * (1 + wave(r, t, k) * 0.12 + (hit ? trouble(r, t) * (r.trouble === 'memory' ? 0.8 : 6) : 0)));
      return { series: s, times_ms: times, mean, min: mean.map((v) => v * 0.94), max: mean.map((v) => v * 1.07) };
    });
  }

  const admin = { id: uuid(rnd), kind: 'user', name: 'ada', role: 'admin', suspended: false, created_at: iso(now - 9 * DAY), last_seen_at: iso(now - 60_000) };
  const principals = [
    admin,
    { id: uuid(rnd), kind: 'user', name: 'grace', role: 'operator', suspended: false, created_at: iso(now - 8 * DAY), last_seen_at: iso(now - 3 * 3_600_000) },
    { id: uuid(rnd), kind: 'user', name: 'edsger', role: 'auditor', suspended: false, created_at: iso(now - 7 * DAY), last_seen_at: null },
    { id: uuid(rnd), kind: 'service', name: 'otel-collector', role: 'developer', suspended: false, created_at: iso(now - 7 * DAY), last_seen_at: iso(now - 4_000) },
    { id: uuid(rnd), kind: 'user', name: 'temp.contractor', role: 'viewer', suspended: true, created_at: iso(now - 30 * DAY), last_seen_at: iso(now - 20 * DAY) },
  ];

  const source = (name, condition, action, autonomy) => `name: ${name}\ndescription: Keeps a service up before it fails.\nselector:\n  kind: service\nwhen: ${condition}\nhold_for: 30s\ntype: proactive\nrisk: low\nactuator: process\nsteps:\n  - action: ${action}\nsuccess:\n  - stability.score >= 0.7\nverify_within: 2m\nenvelope:\n  cooldown: 10m\n  max_units: 1\n  max_per_hour: 3 # per playbook\nautonomy: ${autonomy}\n`;
  const playbook = (name, condition, action, autonomy, version, enabled) => ({
    id: uuid(rnd), name, version, description: 'Keeps a service up before it fails.', source: source(name, condition, action, autonomy), enabled, selector_kind: 'service', selector_resource: null, condition, hold_for_s: 30,
    kind: 'proactive', risk: 'low', actuator: 'process', steps: [{ action, arguments: {} }], success: ['stability.score >= 0.7'], verify_within_s: 120,
    envelope: { cooldown_s: 600, max_units: 1, max_share: 0.34, max_per_hour: 3, min_available: 1 }, autonomy, saved_at: iso(now - version * DAY),
  });
  const playbooks = [
    playbook('restart-before-memory-runs-out', 'risk.probability > 0.6 && vitals.memory_utilization > 0.9', 'restart', 'approve', 3, true),
    playbook('scale-on-latency', 'vitals.latency_p99 > 2.0 && stability.score < 0.8', 'scale', 'auto', 1, true),
    playbook('recover-dead-dependency', 'stability.dependency < 0.4', 'restart', 'suggest', 2, true),
    playbook('shed-on-error-burst', 'vitals.error_ratio > 0.05', 'shed', 'observe', 1, false),
  ];

  const digest = hex(rnd, 64);
  const intervention = (state, minutes, more = {}) => {
    const created = now - minutes * 60_000;
    return {
      id: uuid(rnd), target: 'service:shop/orders', kind: 'proactive', risk: 'medium', proposer_type: 'playbook', proposer_id: playbooks[0].id, proposer_name: 'restart-before-memory-runs-out v3',
      actuator: 'process', title: 'Restart worker 2 of service:shop/orders, one at a time', reason: 'memory runs out in 38 min: utilization is 0.93 and grows by 0.11 an hour',
      state, state_reason: '', digest: state === 'proposed' ? null : digest, approvals_needed: 1, approvals_given: state === 'verified' ? 1 : 0, verification: null,
      created_at: iso(created), updated_at: iso(created + 40_000), expires_at: iso(created + 15 * 60_000), executed_at: null,
      steps: [{ action: 'restart', arguments: { instance: 'worker-2', grace: '10s' } }],
      previews: state === 'proposed' ? [] : [{ summary: 'Restart worker 2 of service:shop/orders, one at a time', before: 'worker-1 running  pid 4121  rss 612 MiB\nworker-2 running  pid 4122  rss 1.8 GiB\nworker-3 running  pid 4123  rss 640 MiB', after: 'worker-1 running  pid 4121  rss 612 MiB\nworker-2 starting, ready within 4 s\nworker-3 running  pid 4123  rss 640 MiB', units: 1, units_total: 3, target_version: '41', reversible: true }],
      success: ['stability.score >= 0.7', 'vitals.memory_utilization < 0.7'], verify_within_s: 120,
      envelope: { cooldown_s: 600, max_units: 1, max_share: 0.34, max_per_hour: 3, min_available: 2 }, approvals: [], receipts: [], epoch: 4, score_before: 0.34, risk_before: 0.86,
      ...more,
    };
  };
  const done = (minutes, more = {}) => intervention('verified', minutes, { approvals: [{ by: principals[1].id, at: iso(now - minutes * 60_000 + 60_000), digest }], executed_at: iso(now - minutes * 60_000 + 64_000), verification: 'pass', receipts: [{ step: 0, summary: 'worker-2 restarted: pid 4122 became 4377, ready after 3.1 s', output: 'SIGTERM 4122\nexit 0 after 1.2 s\nspawn 4377\nready: GET /health 200\n' }], ...more });
  const interventions = [
    intervention('validated', 3),
    intervention('validated', 6, { target: 'engine:llama-3-8b', risk: 'high', kind: 'reactive', approvals_needed: 2, approvals_given: 1, title: 'Move 40 % of completions from llama-3-8b to llama-3-70b', reason: WHY.latency, approvals: [{ by: principals[1].id, at: iso(now - 4 * 60_000), digest }], steps: [{ action: 'route', arguments: { from: 'llama-3-8b', to: 'llama-3-70b', share: '0.4' } }], actuator: 'webhook' }),
    intervention('proposed', 8, { target: 'service:shop/checkout', title: 'process restart on service:shop/checkout', reason: WHY.errors, proposer_name: 'recover-dead-dependency v2' }),
    intervention('executing', 1, { target: 'service:shop/catalog', title: 'Scale service:shop/catalog from 2 to 3', executed_at: iso(now - 20_000), proposer_name: 'scale-on-latency v1', risk: 'low', approvals_needed: 0 }),
    done(94), done(400, { target: 'service:shop/checkout', title: 'Restart service:shop/checkout' }),
    intervention('rolled_back', 700, { target: 'service:shop/front', title: 'Scale service:shop/front from 2 to 4', state_reason: 'verification was unknown: no data for 2 min, so it was undone', verification: 'unknown', executed_at: iso(now - 690 * 60_000) }),
    intervention('rejected', 1500, { title: 'Restart service:shop/payments', target: 'service:shop/payments', state_reason: 'deploy under way' }),
    intervention('failed', 2900, { title: 'Run vacuum on service:store/postgres', target: 'service:store/postgres', actuator: 'command', state_reason: 'the command ended with status 2' }),
    intervention('expired', 3300, { title: 'Restart service:shop/orders' }),
  ];

  const alert = (state, severity, resource_id, rule, summary, minutes) => ({ id: uuid(rnd), resource_id, rule, severity, summary, detail: WHY[resources.find((r) => r.id === resource_id)?.trouble] ?? '', state, group_key: resource_id ?? rule, started_at: iso(now - minutes * 60_000), last_fired_at: iso(now - 5_000), ended_at: state === 'firing' ? null : iso(now - 60_000), count: minutes * 6, labels: { severity } });
  const alerts = [
    alert('firing', 'critical', 'service:shop/orders', 'risk.high', 'service:shop/orders will probably fail within 15 min (86 %)', 22),
    alert('firing', 'warning', 'service:shop/orders', 'stability.low', 'service:shop/orders is at 0.34', 18),
    alert('firing', 'warning', 'service:shop/checkout', 'stability.low', 'service:shop/checkout is at 0.58', 12),
    alert('acknowledged', 'warning', 'engine:llama-3-8b', 'stability.low', 'engine:llama-3-8b is at 0.66', 40),
    { ...alert('firing', 'critical', 'service:shop/orders', 'slo.page', 'Orders are taken burns 16.2 times too fast: a budget of 30 days is gone in 44 h', 7), labels: { slo: 'later' } },
    alert('resolved', 'critical', 'service:shop/front', 'intervention.rolled_back', 'an intervention on service:shop/front was rolled back', 690),
  ];

  const ACTIONS = [['controller', 'controller', 'intervention.propose', 'intervention', 'ok'], ['controller', 'controller', 'intervention.validate', 'intervention', 'ok'], ['user', principals[1].id, 'intervention.approve', 'intervention', 'ok'], ['controller', 'controller', 'intervention.execute', 'intervention', 'ok'], ['controller', 'controller', 'intervention.verify', 'intervention', 'ok'], ['user', admin.id, 'session.create', 'session', 'ok'], ['user', admin.id, 'playbook.save', 'playbook', 'ok'], ['service', principals[3].id, 'key.use', 'key', 'deny'], ['system', 'keeper', 'ledger.checkpoint', 'ledger', 'ok'], ['user', principals[4].id, 'principal.change', 'principal', 'deny']];
  let prev = '0'.repeat(64);
  const entries = Array.from({ length: 240 }, (_, seq) => {
    const [actor_type, actor_id, action, resource_type, outcome] = ACTIONS[seq % ACTIONS.length];
    const leaf = hex(rnd, 64);
    const about = resource_type === 'intervention' ? interventions[Math.floor(seq / 10) % interventions.length].id : resource_type === 'playbook' ? playbooks[0].id : resource_type === 'ledger' ? 'default' : principals[seq % 5].id;
    const entry = { seq, ts: iso(now - (240 - seq) * 55_000), actor_type, actor_id, action, resource_type, resource_id: about, outcome, data: action.startsWith('intervention') ? { digest: digest.slice(0, 24), state: action.split('.')[1], target: 'service:shop/orders' } : { note: 'made up' }, prev, leaf };
    prev = leaf;
    return entry;
  }).reverse();
  const ledger = { size: entries.length, state: 'intact', checked_at: iso(now - 42_000), checkpoint_size: 236, checkpoint_at: iso(now - 70_000) };

  const dependencies = [['service:shop/front', 'service:shop/orders'], ['service:shop/front', 'service:shop/catalog'], ['service:shop/checkout', 'service:shop/orders'], ['service:shop/orders', 'service:store/postgres'], ['service:shop/orders', 'service:shop/payments'], ['agent:support-triage', 'engine:llama-3-8b'], ['service:shop/orders', 'engine:llama-3-8b']].map(([from, to]) => ({ from, to, source: 'spans', last_seen: iso(now - 9_000) }));

  const keys = [['otel-collector', ['ingest'], 60, 9], ['grafana read', ['read'], 5, 4000], ['old deploy bot', ['write', 'act'], -3, 90_000]].map(([name, scopes, days, used], i) => ({ id: uuid(rnd), name, principal_id: principals[3].id, prefix: `eb_${hex(rnd, 6)}`, scopes, created_at: iso(now - 30 * DAY), expires_at: iso(now + days * DAY), last_used_at: iso(now - used * 1000), revoked_at: i === 2 ? iso(now - DAY) : null }));
  const tenants = [{ id: 'default', name: 'Default', created_at: iso(now - 9 * DAY) }, { id: 'lab', name: 'The lab', created_at: iso(now - 2 * DAY) }];

  const stretches = (n, step, rate) => {
    let left = 1;
    return Array.from({ length: n }, (_, i) => {
      const r = rate(i);
      left -= (r ?? 0) / n;
      return { end_ms: now - (n - 1 - i) * step, good: r === null ? 0 : 5000, bad: r === null ? 0 : r * 25, rate: r, left };
    });
  };
  const slo = (name, state, left, rate, sli, selector_resource, more = {}) => ({
    id: uuid(rnd), version: 2, name, description: 'What the shop promised its customers.', selector_kind: null, selector_resource, sli: { threshold: null, good_when: null, vital: null, metric: null, ...sli },
    target: 0.995, window_days: 30, created_at: iso(now - 40 * DAY), updated_at: iso(now - 3 * DAY),
    status: {
      state, words: 'in words', at: iso(now - 4_000), unit: sli.kind === 'vital' ? 'seconds' : 'requests', good: 4_301_220, bad: 4_301_220 * 0.005 * (1 - (left ?? 1)), attained: left === null ? null : 1 - 0.005 * (1 - left), covered: left === null ? 0 : 0.973, resources: 3, last_data_at: left === null ? null : iso(now - 9_000), left,
      windows: [['page', 14.4, 3600, 300], ['page', 6, 21_600, 1800], ['ticket', 1, 259_200, 21_600]].map(([urgency, bar, long_s, short_s]) => ({ urgency, rate: bar, long_s, long: rate, short_s, short: left === null ? null : rate * 1.1, firing: left !== null && rate >= bar })),
      forecast: left === null ? null : { rate, rate_low: rate * 0.4, rate_high: rate * 1.3, gone_in_s: left <= 0 ? 0 : rate > 1 ? (left / rate) * 30 * 86_400 : null, gone_in_soonest_s: left <= 0 ? 0 : (left / rate / 1.3) * 30 * 86_400, gone_in_latest_s: left <= 0 ? 0 : null, left_at_end: 1 - rate, left_at_end_low: 1 - rate * 1.3, left_at_end_high: 1 - rate * 0.4 },
    },
    history: stretches(60, 12 * 3_600_000, (i) => (left === null || i < 8 ? null : 0.6 + (i > 40 ? 0.9 : 0) + 0.3 * rnd())), recent: stretches(60, 360_000, (i) => (left === null ? null : i > 50 ? rate : 0.5 + rnd() * 0.3)), ...more,
  });
  const slos = [
    slo('Orders are taken', 'page', 0.41, 16.2, { kind: 'requests' }, 'service:shop/orders'),
    slo('The shop answers within 300 ms', 'ticket', 0.18, 2.4, { kind: 'latency', threshold: 0.3 }, 'service:shop/*'),
    slo('Checkout is up', 'ok', 0.93, 0.2, { kind: 'vital', vital: 'up', good_when: 'at_least', threshold: 1 }, 'service:shop/checkout'),
    slo('The front page does not fail', 'spent', -0.12, 0.7, { kind: 'requests' }, 'service:shop/front'),
    slo('The night batch is in time', 'no_data', null, 0, { kind: 'metric', metric: 'batch.delay', good_when: 'at_most', threshold: 900 }, 'process:night'),
  ];

  alerts.find((a) => a.rule === 'slo.page').labels.slo = slos[0].id;

  const incidents = [['real', 'service:shop/orders', null, 300], ['expected', 'service:shop/front', 'http.server.request.duration', 900]].map(([label, resource_id, metric, minutes]) => ({ id: uuid(rnd), resource_id, label, metric, started_at: iso(now - minutes * 60_000), ended_at: iso(now - (minutes - 14) * 60_000), note: '', labelled_by: principals[1].id, labelled_at: iso(now - (minutes - 20) * 60_000) }));
  const card = () => ({
    name: 'risk', version: 'risk-2 over collapse-1', predicts: 'that the resource fails within the horizon', provenance: 'Shipped with Echobase; nothing of your own history is in it.', truth: 'incidents labelled `real`, from their begin to their end',
    from: iso(now - 7 * DAY), to: iso(now), horizon_s: 900, resources: resources.length, hours: 1821.4, failures: 9, warned: 7, alert_level: 0.7, median_lead_s: 512, leads: [[512, 40, 0.93], [1840, 900, 0.99], [null, 2400, 0.12], [95, 5100, 0.74], [512, 8000, 0.81]].map(([lead_s, minutes, highest_risk], i) => ({ incident_id: uuid(rnd), resource_id: resources[i % 3].id, failed_at: iso(now - minutes * 60_000), warned_at: lead_s === null ? null : iso(now - minutes * 60_000 - lead_s * 1000), lead_s, highest_risk })), false_warnings: 3, drift: [['role queue', 0.31], ['shipped risk', 0.12], ['risk', 0.04], ['role store', 0.01]].map(([name, psi]) => ({ name, psi, reading: psi < 0.1 ? 'as before' : psi < 0.25 ? 'somewhat moved' : 'another population' })), drift_hours: 21.5, ece: 0.021, brier: 0.013,
    bins: [1700, 60, 21, 12, 8, 6, 5, 4, 3, 2.4].map((hours, i) => ({ low: i / 10, high: (i + 1) / 10, hours, said: (i + 0.4) / 10, came_true: Math.min(1, ((i + 0.4) / 10) * (0.7 + 0.5 * rnd())) })),
  });

  const figures = (log_loss, balanced_accuracy, false_positive_rate, ece) => ({ failures: 4, hours: 310.2, log_loss, balanced_accuracy, false_positive_rate, ece, bins: card().bins });
  const version = (n, state, days, decision, own, parent) => ({
    version: `risk-${n}`, parent: n === 1 ? 'shipped' : `risk-${n - 1}`, state, in_use: state === 'champion', unused_because: null, base: 'collapse-1', provenance: 'Learned here, from labels.', horizon_s: 900,
    trained_at: iso(now - days * DAY), from: iso(now - (days + 14) * DAY), to: iso(now - days * DAY), split_at: iso(now - (days + 4) * DAY), labels: { trained_on: 9, judged_on: 4, noise: 3, expected: 2 },
    figures: figures(...own), parent_figures: figures(...parent), weights: { intercept: -0.62, slope: 1.31, 'role.queue': 0.44, 'role.store': 0, 'role.errors': 0.12 }, decided_at: iso(now - days * DAY), decision,
  });
  const models = [
    version(3, 'challenger', 1, 'on 4 held-out failures: log loss 0.0311 against 0.0318: not lower by 5 %', [0.0311, 0.91, 0.012, 0.021], [0.0318, 0.9, 0.012, 0.022]),
    version(2, 'champion', 4, 'on 4 held-out failures: log loss 0.0318 against 0.0402: lower by 21 %', [0.0318, 0.9, 0.012, 0.022], [0.0402, 0.87, 0.019, 0.038]),
    version(1, 'retired', 9, 'a better version was made', [0.0402, 0.87, 0.019, 0.038], [0.0533, 0.81, 0.02, 0.051]),
    { version: 'shipped', parent: null, state: 'retired', in_use: false, unused_because: null, base: 'collapse-1', provenance: 'Shipped with Echobase.', horizon_s: 900, trained_at: null, from: null, to: null, split_at: null, labels: null, figures: null, parent_figures: null, weights: {}, decided_at: null, decision: 'a version learned from labels lies over it' },
  ];
  const jobs = [{ id: uuid(rnd), kind: 'train_risk_model', title: 'the risk model, from labels', state: 'done', progress: 1, message: 'risk-3 was made and waits in the shadow, on 4 held-out failures: log loss 0.0311 against 0.0318: not lower by 5 %', started_at: iso(now - DAY), ended_at: iso(now - DAY + 41_000) }];

  const changes = [['deploy', 'service:store/postgres', 'postgres', '16.3', '16.4', 'https://ci.example/7', 26], ['configuration', 'service:shop/orders', 'pool size', '20', '8', null, 31]].map(([kind, resource_id, what, before, after, link, minutes]) => ({ id: uuid(rnd), resource_id, kind, what, before, after, by: 'release bot', at: iso(now - minutes * 60_000), link, source: 'reported', noted_at: iso(now - minutes * 60_000), words: `${kind} ${what} ${before} → ${after}` }));
  const causes = (r) => {
    const times_ms = Array.from({ length: 160 }, (_, i) => now - (160 - i) * 15_000);
    const cause = (resource_id, path, metric, usual, worst, share, change) => ({
      resource_id, metric, score: worst / usual, surprise: worst / usual, alignment: 0.96, share, onset: iso(now - 9 * 60_000), path, change, usual, worst,
      words: `${resource_id.split(':')[1]}: ${metric} went from ${usual} to ${worst}, ${(worst / usual).toFixed(1)} times its usual spread.`,
      evidence: { origin: 'requests', series: [hex(rnd, 16), hex(rnd, 16)], normal_rows: 1200, times_ms, values: times_ms.map((_, i) => (i < 124 ? usual : worst) * (0.95 + 0.1 * rnd())) },
    });
    const called = dependencies.filter((d) => d.from === r.id).map((d) => d.to);
    const all = [...called.slice(0, 2).map((id, i) => cause(id, [r.id, id], 'latency', 0.03, 1.1 - 0.4 * i, 0.9 - 0.5 * i, changes.find((c) => c.resource_id === id) ?? null)), cause(r.id, [r.id], 'error_ratio', 0.01, 0.2, null, null)];
    return {
      resource_id: r.id, from: iso(now - 9 * 60_000), to: iso(now), normal_from: iso(now - 4 * 3_600_000), normal_to: iso(now - 12 * 60_000), step_s: 15, verdict: called.length ? 'determined' : 'not_determined', symptom: 'latency',
      words: all.map((c) => c.words), causes: all, looked_at: { resources: [r.id, ...called], metrics: 42, rows: 61_000, changes: 2, left_out: ['120 s in which service:shop/orders was in trouble do not count as normal'] },
    };
  };
  const advice = (r) => ({
    resource_id: r.id, assessed_at: iso(now), dependents: dependencies.filter((d) => d.to === r.id).length, origin: null, prior_chance: 0.5, prior_strength: 2,
    options: playbooks.map((p, i) => ({
      playbook_id: p.id, name: p.name, description: p.description, action: `${p.actuator} ${p.steps[0]?.action ?? ''}`, risk: p.risk, autonomy: p.autonomy, stands: i === 0 ? 'ready' : i === 1 ? 'stopped' : 'unmet', stands_words: i === 1 ? `${r.id} cools down for 4m more` : '',
      weighed: i > 1 ? null : { effect: 0.61 - 0.4 * i, chance: 0.82 - 0.32 * i, uncertainty: 0.11, prior_only: i === 1, trouble: 'memory_utilization', on_trouble: { worked: 3.2 - 3.2 * i, failed: 0.4 - 0.4 * i }, of_playbook: { worked: 4.1 - 4.1 * i, failed: 0.9 - 0.9 * i }, of_action: { worked: 6 - 6 * i, failed: 1.2 - 1.2 * i }, fit: 1, loss: 0.78, cost: 0.03, words: i ? 'expected effect +0.21: it has no history, so 50 % is assumed, loss 0.78 if nothing is done, cost 0.03' : 'expected effect +0.61: 82 % likely to work, worked 4 of 5 times lately, loss 0.78 if nothing is done, cost 0.03' },
    })),
  });

  return { slos, models, jobs, changes, causes, advice, incidents, card, rnd, iso, uuid, hex, now, resources, assess, wire, history, points, admin, principals, playbooks, interventions, alerts, entries, ledger, dependencies, keys, tenants, freezes: [], prev, feedback, judged };
}
