//! State at rest: principals, keys, playbooks, interventions, alerts, ledger, outbox.
