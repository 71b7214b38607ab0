-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 (BIGINT), ids and bodies are TEXT,
-- the tenant leads every key.

CREATE TABLE tenant (
    tenant TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE principal (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    suspended BOOLEAN NOT NULL,
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX principal_name ON principal (tenant, name);

CREATE TABLE session (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX session_token ON session (token_hash);
CREATE INDEX session_principal ON session (tenant, principal_id);

CREATE TABLE signin_link (
    tenant TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant, token_hash)
);

CREATE TABLE api_key (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    rotated_to TEXT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX api_key_id ON api_key (id);

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status INTEGER,
    content_type TEXT,
    answer TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, idempotency_key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE playbook (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX playbook_name ON playbook (tenant, name) WHERE deleted_at IS NULL;

CREATE TABLE playbook_version (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    saved_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id, version)
);

CREATE TABLE intervention (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    target TEXT NOT NULL,
    playbook_id TEXT,
    state TEXT NOT NULL,
    is_open BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    started_at BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX intervention_open ON intervention (tenant, id) WHERE is_open;
CREATE INDEX intervention_target ON intervention (tenant, target, id);
CREATE INDEX intervention_playbook ON intervention (tenant, playbook_id, id);
CREATE INDEX intervention_started ON intervention (tenant, started_at);

CREATE TABLE freeze (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    release_requested_by TEXT,
    release_requested_at BIGINT,
    PRIMARY KEY (tenant, scope)
);

CREATE TABLE lease (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE effect_fence (
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (tenant, target)
);

CREATE TABLE effect (
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    intervention_id TEXT NOT NULL,
    step BIGINT NOT NULL,
    direction TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    admitted_at BIGINT NOT NULL,
    receipt TEXT,
    PRIMARY KEY (tenant, target, intervention_id, step, direction)
);

CREATE TABLE alert (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    dedup_key TEXT NOT NULL,
    group_key TEXT NOT NULL,
    resource_id TEXT,
    rule TEXT NOT NULL,
    severity INTEGER NOT NULL,
    summary TEXT NOT NULL,
    detail TEXT NOT NULL,
    labels TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    last_fired_at BIGINT NOT NULL,
    fired_count BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    resolved_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX alert_open ON alert (tenant, dedup_key) WHERE resolved_at IS NULL;

CREATE TABLE outbox (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    claimed_by TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    last_error TEXT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX outbox_ready ON outbox (run_at, id) WHERE status = 'ready';
CREATE INDEX outbox_claimed ON outbox (lease_until) WHERE status = 'claimed';

CREATE TABLE resource (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE dependency (
    tenant TEXT NOT NULL,
    from_id TEXT NOT NULL,
    to_id TEXT NOT NULL,
    source TEXT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (tenant, from_id, to_id, source)
);

CREATE TABLE data_file (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    day BIGINT NOT NULL,
    path TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    min_time BIGINT NOT NULL,
    max_time BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX data_file_id ON data_file (id);

CREATE TABLE log_position (
    tenant TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);

CREATE TABLE job (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    progress DOUBLE PRECISION,
    message TEXT NOT NULL,
    result TEXT,
    cancel_requested BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE setting (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE ledger_log (
    tenant TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    frontier TEXT NOT NULL
);

CREATE TABLE ledger_entry (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    leaf TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
);
CREATE INDEX ledger_entry_resource ON ledger_entry (tenant, resource_id, seq);

-- Complete subtrees of 256 leaves and more: what a proof needs besides the leaves next to its entry.
CREATE TABLE ledger_node (
    tenant TEXT NOT NULL,
    height BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant, height, idx)
);

CREATE TABLE ledger_checkpoint (
    tenant TEXT NOT NULL,
    size BIGINT NOT NULL,
    root TEXT NOT NULL,
    note TEXT NOT NULL,
    signed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, size)
);
