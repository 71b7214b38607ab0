-- The registry of risk models: what a tenant's labels made, how it was judged, and which one is in use.

CREATE TABLE risk_model (
    tenant TEXT NOT NULL,
    version BIGINT NOT NULL,
    parent BIGINT NOT NULL,
    state TEXT NOT NULL,
    trained_at BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    decision TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, version)
);
-- One model of a tenant is in use, and one waits.
CREATE UNIQUE INDEX risk_model_champion ON risk_model (tenant) WHERE state = 'champion';
CREATE UNIQUE INDEX risk_model_challenger ON risk_model (tenant) WHERE state = 'challenger';
