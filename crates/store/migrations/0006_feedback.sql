-- Labels say which anomaly and which kind of change they are about; and levels that people took as the new reference.

ALTER TABLE incident ADD COLUMN anomaly_id TEXT;
ALTER TABLE incident ADD COLUMN change TEXT;

CREATE TABLE new_reference (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    metric TEXT,
    note TEXT NOT NULL,
    taken_by TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX new_reference_resource ON new_reference (tenant, resource_id, taken_at);
