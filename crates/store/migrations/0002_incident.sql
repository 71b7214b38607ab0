-- What people say happened: labels that verdicts are held against.

CREATE TABLE incident (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    label TEXT NOT NULL,
    metric TEXT,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    note TEXT NOT NULL,
    labelled_by TEXT NOT NULL,
    labelled_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX incident_resource ON incident (tenant, resource_id, started_at);
CREATE INDEX incident_started ON incident (tenant, started_at);
