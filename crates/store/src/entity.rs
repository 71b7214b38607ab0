//! The tables as rows, column by column as in `migrations/`. Nothing outside this crate sees them.
#![allow(unreachable_pub, reason = "the derive makes the parts of an entity as public as the entity")]
#![allow(missing_docs, reason = "the columns are described where they are read")]

use sea_orm::entity::prelude::*;

macro_rules! tables {
    ($($table:literal $name:ident { $($key:ident: $key_type:ty),* ; $($column:ident: $type:ty),* $(,)? })*) => {$(
        pub(crate) mod $name {
            use super::*;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $(#[sea_orm(primary_key, auto_increment = false)] pub $key: $key_type,)*
                $(pub $column: $type,)*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    )*
        /// Reads one row of each table: fails where a column of a row type is not in the schema.
        #[cfg(test)]
        pub(crate) async fn probe<C: ConnectionTrait>(conn: &C) -> Result<(), DbErr> {
            $($name::Entity::find().one(conn).await?;)*
            Ok(())
        }
    };
}

tables! {
    "tenant" tenant { tenant: String; name: String, created_at: i64 }
    "principal" principal {
        tenant: String, id: String;
        kind: String, name: String, role: String, suspended: bool, password_hash: Option<String>,
        created_at: i64, last_seen_at: Option<i64>,
    }
    "session" session {
        tenant: String, id: String;
        principal_id: String, token_hash: String, created_at: i64, expires_at: i64,
    }
    "signin_link" signin_link {
        tenant: String, token_hash: String; principal_id: String, expires_at: i64, used_at: Option<i64>,
    }
    "api_key" api_key {
        tenant: String, id: String;
        principal_id: String, name: String, prefix: String, secret_hash: String, scopes: String,
        created_at: i64, expires_at: i64, last_used_at: Option<i64>, revoked_at: Option<i64>,
        rotated_to: Option<String>,
    }
    "idempotency" idempotency {
        tenant: String, idempotency_key: String;
        request_hash: String, status: Option<i32>, content_type: Option<String>, answer: Option<String>,
        created_at: i64,
    }
    "playbook" playbook {
        tenant: String, id: String; name: String, version: i64, enabled: bool, deleted_at: Option<i64>,
    }
    "playbook_version" playbook_version {
        tenant: String, id: String, version: i64; saved_at: i64, body: String,
    }
    "intervention" intervention {
        tenant: String, id: String;
        target: String, playbook_id: Option<String>, state: String, is_open: bool, version: i64,
        created_at: i64, updated_at: i64, started_at: Option<i64>, body: String,
    }
    "freeze" freeze {
        tenant: String, scope: String;
        reason: String, set_by: String, since: i64, release_requested_by: Option<String>,
        release_requested_at: Option<i64>,
    }
    "alert" alert {
        tenant: String, id: String;
        dedup_key: String, group_key: String, resource_id: Option<String>, rule: String, severity: i32,
        summary: String, detail: String, labels: String, started_at: i64, last_fired_at: i64,
        fired_count: i64, acknowledged_at: Option<i64>, acknowledged_by: Option<String>,
        resolved_at: Option<i64>,
    }
    "incident" incident {
        tenant: String, id: String;
        resource_id: String, label: String, metric: Option<String>, started_at: i64, ended_at: Option<i64>,
        note: String, labelled_by: String, labelled_at: i64, anomaly_id: Option<String>, change: Option<String>,
    }
    "new_reference" new_reference {
        tenant: String, id: String;
        resource_id: String, metric: Option<String>, note: String, taken_by: String, taken_at: i64,
    }
    "risk_model" risk_model {
        tenant: String, version: i64;
        parent: i64, state: String, trained_at: i64, decided_at: i64, decision: String, body: String,
    }
    "slo" slo {
        tenant: String, id: String;
        name: String, version: i64, body: String, created_at: i64, updated_at: i64,
    }
    "change_event" change_event {
        tenant: String, id: String;
        resource_id: String, kind: String, what: String, before_value: Option<String>,
        after_value: Option<String>, done_by: String, done_at: i64, link: Option<String>, source: String,
        noted_at: i64,
    }
    "outbox" outbox {
        tenant: String, id: String;
        channel: String, subject: String, body: String, status: String, attempts: i64, run_at: i64,
        lease_until: Option<i64>, claimed_by: Option<String>, created_at: i64, finished_at: Option<i64>,
        last_error: Option<String>,
    }
    "resource" resource {
        tenant: String, id: String;
        kind: String, name: String, attributes: String, first_seen: i64, last_seen: i64,
    }
    "dependency" dependency {
        tenant: String, from_id: String, to_id: String, source: String; last_seen: i64,
    }
    "data_file" data_file {
        tenant: String, id: String;
        kind: String, day: i64, path: String, row_count: i64, byte_count: i64, min_time: i64, max_time: i64,
    }
    "job" job {
        tenant: String, id: String;
        kind: String, title: String, state: String, progress: Option<f64>, message: String,
        result: Option<String>, cancel_requested: bool, started_at: i64, updated_at: i64,
        ended_at: Option<i64>,
    }
    "setting" setting { tenant: String, name: String; value: String, updated_at: i64 }
    "ledger_entry" ledger_entry {
        tenant: String, seq: i64;
        ts: i64, actor_id: String, action: String, resource_id: String, leaf: String, body: String,
    }
    "ledger_checkpoint" ledger_checkpoint {
        tenant: String, size: i64; root: String, note: String, signed_at: i64,
    }
}
