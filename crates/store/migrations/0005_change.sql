-- What people or automation did to resources: deploys, configurations, models, prompts.

CREATE TABLE change_event (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    before_value TEXT,
    after_value TEXT,
    done_by TEXT NOT NULL,
    done_at BIGINT NOT NULL,
    link TEXT,
    source TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX change_event_resource ON change_event (tenant, resource_id, done_at);
CREATE INDEX change_event_done ON change_event (tenant, done_at);
