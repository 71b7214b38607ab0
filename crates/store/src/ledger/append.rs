//! Appending: bytes and place come from `audit`, rows go into the caller's transaction. Lone entries of several
//! callers share one transaction.

use std::sync::{Mutex, PoisonError};

use echobase_audit::tree::Frontier;
use echobase_audit::{ChainHead, Extras, Hash};
use echobase_types::ledger::EntryDraft;
use echobase_types::{TenantId, Timestamp};
use sea_orm::{ConnectionTrait, Value};
use tokio::sync::oneshot;

use super::EntryRef;
use crate::column::{self, count, int};
use crate::error::{StoreError, failed};
use crate::{Store, Tx};

/// Rows of one INSERT: seven or eight values each, well below SQLite's 32,766.
const ROWS: usize = 256;
/// Entries of one shared transaction.
const MAX_SHARED: usize = 1_024;
/// From this height on, complete nodes are stored.
pub(super) const NODE_HEIGHT: u8 = 8;

/// The end of a log as it is stored.
pub(crate) async fn head<C: ConnectionTrait>(conn: &C, tenant: &TenantId) -> Result<ChainHead, StoreError> {
    let act = "read end of ledger";
    let row = column::query_one(
        conn,
        "SELECT l.size AS size, l.frontier AS frontier, e.body AS body FROM ledger_log l
         LEFT JOIN ledger_entry e ON e.tenant = l.tenant AND e.seq = l.size - 1 WHERE l.tenant = $1",
        vec![tenant.as_str().into()],
    )
    .await
    .map_err(failed(act))?;
    let Some(row) = row else { return Ok(ChainHead::new(tenant.clone())) };
    let size: i64 = row.try_get("", "size").map_err(failed(act))?;
    let peaks: String = row.try_get("", "frontier").map_err(failed(act))?;
    let body: Option<String> = row.try_get("", "body").map_err(failed(act))?;
    let append = |source| StoreError::Append { log: tenant.to_string(), source };
    let peaks = peaks
        .split_terminator(' ')
        .map(|text| super::hash_of("end of ledger", size, text))
        .collect::<Result<Vec<_>, _>>()?;
    let frontier = Frontier::from_peaks(count(size), peaks).map_err(|e| append(e.into()))?;
    ChainHead::resume(tenant.clone(), frontier, body.as_deref().map(str::as_bytes)).map_err(append)
}

/// Appends in the transaction of `conn`.
pub(crate) async fn append<C: ConnectionTrait>(
    conn: &C,
    tenant: &TenantId,
    drafts: &[EntryDraft],
    now: Timestamp,
) -> Result<Vec<EntryRef>, StoreError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = Rows::new(head(conn, tenant).await?);
    let refs = rows.add(drafts, now)?;
    rows.write(conn).await?;
    Ok(refs)
}

/// Entries and nodes that are not written yet.
struct Rows {
    head: ChainHead,
    entries: Vec<[Value; 8]>,
    nodes: Vec<[Value; 4]>,
}

impl Rows {
    fn new(head: ChainHead) -> Self {
        Self { head, entries: Vec::new(), nodes: Vec::new() }
    }

    /// Adds all of the drafts or none.
    fn add(&mut self, drafts: &[EntryDraft], now: Timestamp) -> Result<Vec<EntryRef>, StoreError> {
        let (before, entries, nodes) = (self.head.clone(), self.entries.len(), self.nodes.len());
        let added: Result<Vec<_>, _> = drafts.iter().map(|draft| self.add_one(draft, now)).collect();
        if added.is_err() {
            self.head = before;
            self.entries.truncate(entries);
            self.nodes.truncate(nodes);
        }
        added
    }

    fn add_one(&mut self, draft: &EntryDraft, now: Timestamp) -> Result<EntryRef, StoreError> {
        let tenant = self.head.tenant().to_string();
        let nodes = &mut self.nodes;
        let made = self
            .head
            .append_with(draft, &Extras::default(), now, |height, index, hash: Hash| {
                if height >= NODE_HEIGHT {
                    nodes.push([
                        tenant.as_str().into(),
                        i64::from(height).into(),
                        int(index).into(),
                        hash.to_string().into(),
                    ]);
                }
            })
            .map_err(|source| StoreError::Append { log: tenant.clone(), source })?;
        let body = String::from_utf8(made.bytes)
            .map_err(|e| StoreError::System(format!("an entry is not UTF-8: {e}")))?;
        self.entries.push([
            tenant.into(),
            int(made.seq).into(),
            made.ts.as_micros().into(),
            draft.actor.id.as_str().into(),
            draft.action.as_str().into(),
            draft.resource_id.as_str().into(),
            made.leaf.to_string().into(),
            body.into(),
        ]);
        Ok(EntryRef { seq: made.seq, leaf: made.leaf })
    }

    async fn write<C: ConnectionTrait>(self, conn: &C) -> Result<(), StoreError> {
        let act = "append to ledger";
        const ENTRY: &str =
            "INSERT INTO ledger_entry (tenant, seq, ts, actor_id, action, resource_id, leaf, body) VALUES ";
        insert(conn, ENTRY, self.entries).await.map_err(failed(act))?;
        const NODE: &str = "INSERT INTO ledger_node (tenant, height, idx, hash) VALUES ";
        insert(conn, NODE, self.nodes).await.map_err(failed(act))?;
        let peaks = self.head.frontier().peaks().iter().map(Hash::to_string).collect::<Vec<_>>().join(" ");
        column::execute(
            conn,
            "INSERT INTO ledger_log (tenant, size, frontier) VALUES ($1, $2, $3)
             ON CONFLICT (tenant) DO UPDATE SET size = excluded.size, frontier = excluded.frontier",
            vec![self.head.tenant().as_str().into(), int(self.head.size()).into(), peaks.into()],
        )
        .await
        .map(|_| ())
        .map_err(failed(act))
    }
}

/// Writes rows by as few statements as possible.
async fn insert<C: ConnectionTrait, const N: usize>(
    conn: &C,
    into: &str,
    rows: Vec<[Value; N]>,
) -> Result<(), sea_orm::DbErr> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<[Value; N]> = rows.by_ref().take(ROWS).collect();
        let mut sql = into.to_owned();
        for row in 0..part.len() {
            let marks: Vec<_> = (1..=N).map(|column| format!("${}", row * N + column)).collect();
            sql.push_str(if row == 0 { "(" } else { ", (" });
            sql.push_str(&marks.join(", "));
            sql.push(')');
        }
        column::execute(conn, &sql, part.into_iter().flatten().collect()).await?;
    }
    Ok(())
}

type Answer = Result<Vec<EntryRef>, StoreError>;

struct Waiting {
    tenant: TenantId,
    drafts: Vec<EntryDraft>,
    now: Timestamp,
    answer: oneshot::Sender<Answer>,
}

/// Lone entries that wait for the next transaction. Whoever gets the turn to write writes for all who wait, so that
/// no task has to be kept for it.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
}

impl Queue {
    pub(super) async fn append(
        &self,
        store: &Store,
        tenant: &TenantId,
        drafts: Vec<EntryDraft>,
        now: Timestamp,
    ) -> Answer {
        let (answer, mut result) = oneshot::channel();
        self.lock().push(Waiting { tenant: tenant.clone(), drafts, now, answer });
        loop {
            let turn = store.turn().await;
            match result.try_recv() {
                Ok(answered) => return answered,
                // Whoever wrote for us was cancelled in the middle of it.
                Err(oneshot::error::TryRecvError::Closed) => return Err(StoreError::Interrupted),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let batch = self.take();
            match store.begin_in(turn, tenant, now).await {
                Ok(tx) => write_all(tx, batch).await,
                Err(error) => batch.into_iter().for_each(|w| _ = w.answer.send(Err(again(&error)))),
            }
            // Still unanswered if more waited before us than one transaction takes.
            if let Ok(answered) = result.try_recv() {
                return answered;
            }
        }
    }

    /// The oldest that wait, as many as one transaction takes, and at least one.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let mut entries = 0;
        let fits = waiting
            .iter()
            .take_while(|w| {
                let first = entries == 0;
                entries += w.drafts.len();
                first || entries <= MAX_SHARED
            })
            .count();
        waiting.drain(..fits).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a batch in one transaction. A draft that has no valid form fails alone.
async fn write_all(tx: Tx, batch: Vec<Waiting>) {
    let mut logs: Vec<Rows> = Vec::new();
    let mut done: Vec<(oneshot::Sender<Answer>, Vec<EntryRef>)> = Vec::new();
    let mut broken = None;
    for Waiting { tenant, drafts, now, answer } in batch {
        let at = match logs.iter().position(|rows| *rows.head.tenant() == tenant) {
            Some(at) => at,
            None => match head(tx.conn(), &tenant).await {
                Ok(head) => {
                    logs.push(Rows::new(head));
                    logs.len() - 1
                }
                Err(error) => {
                    _ = answer.send(Err(error));
                    continue;
                }
            },
        };
        match logs[at].add(&drafts, now) {
            Ok(refs) => done.push((answer, refs)),
            Err(error) => _ = answer.send(Err(error)),
        }
    }
    for rows in logs {
        if broken.is_none() && !rows.entries.is_empty() {
            broken = rows.write(tx.conn()).await.err();
        }
    }
    let ended = match broken {
        Some(error) => Err(error),
        None => tx.commit().await.map(|_| ()),
    };
    for (answer, refs) in done {
        _ = answer.send(match &ended {
            Ok(()) => Ok(refs),
            Err(error) => Err(again(error)),
        });
    }
}

/// The same error for one more who waited.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Database { act, source } => StoreError::Database { act, source: source.clone() },
        other => StoreError::System(other.to_string()),
    }
}
