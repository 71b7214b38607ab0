//! The ledger at rest: one log per tenant and one system log that takes the tenants' checkpoints.
//!
//! Entries get their bytes from `audit` and are stored as those bytes; the other columns only find them.

mod append;
mod check;
mod proof;

use echobase_audit::{Checkpoint, Export, ExportFile, Hash, Note, NoteError};
use echobase_types::ledger::{Actor, EntryDraft};
use echobase_types::{TenantId, Timestamp};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::column::{self, count, int, time};
use crate::entity::{ledger_checkpoint, ledger_entry as table};
use crate::error::{StoreError, failed};
use crate::tenant::SYSTEM_LOG;
use crate::{OpenMode, Page, PageRequest, Store};

pub(crate) use append::{Queue, append};
pub use check::{Finding, Report};
pub use proof::EntryReceipt;

/// Entries read at a time when a whole log is walked.
const BATCH: u64 = 1_024;

/// Where an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Its place in the tenant's log, from 0.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place, from 0.
    pub seq: u64,
    /// Its time.
    pub ts: Timestamp,
    /// Its leaf hash, as stored.
    pub leaf: Hash,
    /// Its canonical bytes; `echobase_audit::Entry::parse` decodes them.
    pub bytes: Vec<u8>,
}

/// The end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// Leaf hash of the newest entry; zeros for an empty log.
    pub leaf: Hash,
    /// Root of the tree of all entries.
    pub root: Hash,
    /// Time of the newest entry.
    pub last_ts: Option<Timestamp>,
}

/// A signed checkpoint as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Number of entries it covers.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Which entries are wanted: all conditions that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// The action begins so.
    pub action_prefix: Option<String>,
    /// The id of the thing it was done to.
    pub resource_id: Option<String>,
    /// The id of the actor.
    pub actor_id: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// The ledger of the store.
pub struct Ledger<'a> {
    pub(crate) store: &'a Store,
}

/// The id under which the system log is kept.
#[expect(clippy::expect_used, reason = "the constant is within the alphabet, and a test opens the log")]
pub fn system_log() -> TenantId {
    TenantId::new(SYSTEM_LOG).expect("`system` is a valid id")
}

impl Ledger<'_> {
    /// Appends entries that no other state change goes with, such as denials. Calls that wait at the same time share
    /// one transaction. When this returns, the entries survive a crash.
    pub async fn append(
        &self,
        tenant: &TenantId,
        drafts: Vec<EntryDraft>,
        now: Timestamp,
    ) -> Result<Vec<EntryRef>, StoreError> {
        self.store.queue().append(self.store, tenant, drafts, now).await
    }

    /// The end of a log.
    pub async fn head(&self, tenant: &TenantId) -> Result<Head, StoreError> {
        let head = append::head(self.store.reader(), tenant).await?;
        Ok(Head { size: head.size(), leaf: head.prev(), root: head.root(), last_ts: head.last_ts() })
    }

    /// One entry.
    pub async fn entry(&self, tenant: &TenantId, seq: u64) -> Result<StoredEntry, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), int(seq)))
            .one(self.store.reader())
            .await
            .map_err(failed("read ledger entry"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found("ledger entry", seq))?
    }

    /// Entries, newest first.
    pub async fn page(
        &self,
        tenant: &TenantId,
        filter: &EntryFilter,
        request: &PageRequest,
    ) -> Result<Page<StoredEntry>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(prefix) = &filter.action_prefix {
            // All texts that begin with the prefix lie between it and it followed by the last character.
            all = all
                .add(table::Column::Action.gte(prefix.as_str()))
                .add(table::Column::Action.lt(format!("{prefix}\u{10ffff}")));
        }
        if let Some(id) = &filter.resource_id {
            all = all.add(table::Column::ResourceId.eq(id.as_str()));
        }
        if let Some(id) = &filter.actor_id {
            all = all.add(table::Column::ActorId.eq(id.as_str()));
        }
        if let Some(from) = filter.from {
            all = all.add(table::Column::Ts.gte(from.as_micros()));
        }
        if let Some(to) = filter.to {
            all = all.add(table::Column::Ts.lt(to.as_micros()));
        }
        if let Some(before) = request.sort_key()? {
            let seq: i64 = before
                .parse()
                .map_err(|_| StoreError::invalid("cursor", "it was not given out by this list"))?;
            all = all.add(table::Column::Seq.lt(seq));
        }
        let rows = table::Entity::find()
            .filter(all)
            .order_by_desc(table::Column::Seq)
            .limit(request.rows())
            .all(self.store.reader())
            .await
            .map_err(failed("list ledger entries"))?;
        Page::cut(rows, request, |row| row.seq.to_string(), read)
    }

    /// Up to `limit` entries from `seq` on, oldest first.
    pub async fn entries_from(
        &self,
        tenant: &TenantId,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.rows_from(tenant, seq, limit).await?.into_iter().map(read).collect()
    }

    /// The logs that have entries, the system log included. Reads across tenants.
    pub async fn logs(&self) -> Result<Vec<TenantId>, StoreError> {
        column::query_all(self.store.reader(), "SELECT tenant FROM ledger_log ORDER BY tenant", vec![])
            .await
            .map_err(failed("list ledgers"))?
            .iter()
            .map(|row| row.try_get::<String>("", "tenant").map_err(failed("list ledgers")))
            .map(|name| column::parse("tenant", &name?))
            .collect()
    }

    /// Signs the log if it grew since its newest checkpoint; `None` if it did not. A tenant's checkpoint is also
    /// entered into the system log, in the same transaction. `sign` gets size and root
    /// (`|size, root| signer.checkpoint(size, root)`).
    pub async fn checkpoint(
        &self,
        tenant: &TenantId,
        sign: impl FnOnce(u64, Hash) -> Result<Note, NoteError>,
        now: Timestamp,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        // Asked every second for every log: what did not grow must not wait for its turn to write.
        if !has_grown(self.store.reader(), tenant).await? {
            return Ok(None);
        }
        let tx = self.store.begin(tenant, now).await?;
        if !has_grown(tx.conn(), tenant).await? {
            return Ok(None);
        }
        let head = append::head(tx.conn(), tenant).await?;
        let note = sign(head.size(), head.root())
            .map_err(|e| StoreError::System(format!("sign checkpoint of ledger `{tenant}`: {e}")))?;
        let made =
            StoredCheckpoint { size: head.size(), root: head.root(), note: note.to_string(), signed_at: now };
        column::execute(
            tx.conn(),
            "INSERT INTO ledger_checkpoint (tenant, size, root, note, signed_at) VALUES ($1, $2, $3, $4, $5)",
            vec![
                tenant.as_str().into(),
                int(made.size).into(),
                made.root.to_string().into(),
                made.note.as_str().into(),
                now.as_micros().into(),
            ],
        )
        .await
        .map_err(failed("store checkpoint"))?;
        if tenant.as_str() != SYSTEM_LOG {
            let entry = EntryDraft::new(Actor::system("ledger"), "ledger.checkpoint", "ledger", tenant)
                .fact("size", int(made.size))
                .fact("root", made.root.to_string());
            append(tx.conn(), &system_log(), &[entry], now).await?;
        }
        tx.commit().await?;
        Ok(Some(made))
    }

    /// The newest checkpoint of a log.
    pub async fn newest_checkpoint(&self, tenant: &TenantId) -> Result<Option<StoredCheckpoint>, StoreError> {
        newest_checkpoint(self.store.reader(), tenant).await
    }

    /// All checkpoints of a log, oldest first.
    pub async fn checkpoints(&self, tenant: &TenantId) -> Result<Vec<StoredCheckpoint>, StoreError> {
        ledger_checkpoint::Entity::find()
            .filter(ledger_checkpoint::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(ledger_checkpoint::Column::Size)
            .all(self.store.reader())
            .await
            .map_err(failed("list checkpoints"))?
            .into_iter()
            .map(read_checkpoint)
            .collect()
    }

    /// The receipt of an entry under the newest checkpoint; `Conflict` if no checkpoint covers it yet.
    pub async fn receipt(&self, tenant: &TenantId, seq: u64) -> Result<EntryReceipt, StoreError> {
        proof::receipt(self, tenant, seq).await
    }

    /// Writes the log up to its newest checkpoint as the files of an ELX/1 export, a few at a time; returns the
    /// number of entries. `Conflict` if there is no checkpoint. A damaged log can be exported.
    pub async fn export(
        &self,
        tenant: &TenantId,
        mut take: impl FnMut(ExportFile) -> std::io::Result<()>,
    ) -> Result<u64, StoreError> {
        let mut checkpoints = self.checkpoints(tenant).await?;
        let newest = checkpoints
            .pop()
            .ok_or_else(|| StoreError::conflict("ledger", tenant, "it has no checkpoint yet"))?;
        let mut take = |file: ExportFile| {
            let path = file.path.clone();
            take(file).map_err(|source| StoreError::File { act: "write", path, source })
        };
        let mut export = Export::default();
        while export.size() < newest.size {
            let left = newest.size - export.size();
            let rows = self.rows_from(tenant, export.size(), left.min(BATCH)).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let done = export
                    .push(row.body.as_bytes())
                    .map_err(|e| StoreError::damaged("ledger entry", row.seq, e))?;
                done.into_iter().try_for_each(&mut take)?;
            }
        }
        let size = export.size();
        let older = checkpoints.iter().map(note_of).collect::<Result<Vec<_>, _>>()?;
        export.finish(&note_of(&newest)?, &older, &[]).into_iter().try_for_each(&mut take)?;
        Ok(size)
    }

    /// Reads every entry of a log again and checks it: canonical bytes, numbers, chain, times, tenant, stored leaf
    /// hashes, the recorded end, and every checkpoint's root.
    pub async fn verify(&self, tenant: &TenantId) -> Result<Report, StoreError> {
        check::whole(self, tenant).await
    }

    /// Checks the end of every log; see [`OpenMode`].
    pub(crate) async fn check_on_open(&self, mode: OpenMode, now: Timestamp) -> Result<(), StoreError> {
        for log in self.logs().await? {
            let Some(finding) = check::tail(self, &log).await? else { continue };
            if mode == OpenMode::RefuseDamage {
                return Err(StoreError::LedgerDamaged { log: log.to_string(), finding: finding.to_string() });
            }
            check::accept(self, &log, &finding, now).await?;
        }
        Ok(())
    }

    async fn rows_from(
        &self,
        tenant: &TenantId,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<table::Model>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::Seq.gte(int(seq)))
            .order_by_asc(table::Column::Seq)
            .limit(limit)
            .all(self.store.reader())
            .await
            .map_err(failed("read ledger entries"))
    }
}

/// Whether a log has entries that no checkpoint covers.
async fn has_grown<C: sea_orm::ConnectionTrait>(conn: &C, tenant: &TenantId) -> Result<bool, StoreError> {
    let row = column::query_one(
        conn,
        "SELECT 1 AS one FROM ledger_log WHERE tenant = $1 AND size >
             (SELECT COALESCE(MAX(size), 0) FROM ledger_checkpoint WHERE tenant = $1)",
        vec![tenant.as_str().into()],
    )
    .await
    .map_err(failed("read end of ledger"))?;
    Ok(row.is_some())
}

async fn newest_checkpoint<C: sea_orm::ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
) -> Result<Option<StoredCheckpoint>, StoreError> {
    ledger_checkpoint::Entity::find()
        .filter(ledger_checkpoint::Column::Tenant.eq(tenant.as_str()))
        .order_by_desc(ledger_checkpoint::Column::Size)
        .one(conn)
        .await
        .map_err(failed("read checkpoint"))?
        .map(read_checkpoint)
        .transpose()
}

fn note_of(checkpoint: &StoredCheckpoint) -> Result<Note, StoreError> {
    let note =
        Note::parse(&checkpoint.note).map_err(|e| StoreError::damaged("checkpoint", checkpoint.size, e))?;
    match Checkpoint::parse(note.text()) {
        Ok(read) if read.size == checkpoint.size && read.root == checkpoint.root => Ok(note),
        Ok(_) => Err(StoreError::damaged("checkpoint", checkpoint.size, "its note says something else")),
        Err(e) => Err(StoreError::damaged("checkpoint", checkpoint.size, e)),
    }
}

fn hash_of(noun: &'static str, id: i64, text: &str) -> Result<Hash, StoreError> {
    Hash::parse_hex(text)
        .ok_or_else(|| StoreError::damaged(noun, id, "its hash is not 64 hexadecimal digits"))
}

fn read(row: table::Model) -> Result<StoredEntry, StoreError> {
    Ok(StoredEntry {
        seq: count(row.seq),
        ts: time(row.ts),
        leaf: hash_of("ledger entry", row.seq, &row.leaf)?,
        bytes: row.body.into_bytes(),
    })
}

fn read_checkpoint(row: ledger_checkpoint::Model) -> Result<StoredCheckpoint, StoreError> {
    Ok(StoredCheckpoint {
        size: count(row.size),
        root: hash_of("checkpoint", row.size, &row.root)?,
        note: row.note,
        signed_at: time(row.signed_at),
    })
}
