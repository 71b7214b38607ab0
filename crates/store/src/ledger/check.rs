//! The store's own check of its ledger: what was written must read back as one unbroken log.

use std::fmt;

use echobase_audit::{EntryView, Hash, hash};
use echobase_types::ledger::{Actor, EntryDraft, Outcome};
use echobase_types::{TenantId, Timestamp};

use super::{BATCH, Ledger, append, note_of};
use crate::column::{self, count, int};
use crate::entity::ledger_entry as table;
use crate::error::{StoreError, failed};

/// Entries at the end of each log that are checked on opening.
const TAIL: u64 = 256;

/// What a check of a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries read.
    pub entries: u64,
    /// Root over all of them, as far as they are unbroken.
    pub root: Hash,
    /// What is wrong; empty for a sound log.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The code, as the offline verifier says it.
    pub code: &'static str,
    /// The first entry concerned, where it is known.
    pub seq: Option<u64>,
    /// The same in words.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "{} at entry {seq}: {}", self.code, self.detail),
            None => write!(f, "{}: {}", self.code, self.detail),
        }
    }
}

/// Checks rows against the row before each.
struct Walk {
    tenant: TenantId,
    next: u64,
    prev: Option<Hash>,
    last: Option<Timestamp>,
}

impl Walk {
    fn new(tenant: &TenantId, from: u64) -> Self {
        Self { tenant: tenant.clone(), next: from, prev: (from == 0).then_some(Hash::ZERO), last: None }
    }

    /// Checks one row, and goes on behind it whatever was found.
    fn step(&mut self, row: &table::Model) -> Vec<Finding> {
        let seq = self.next;
        let mut found = Vec::new();
        let mut say =
            |code, detail: &str| found.push(Finding { code, seq: Some(seq), detail: detail.to_owned() });
        if count(row.seq) != seq {
            say("E_MISSING", &format!("the next stored entry is {}", row.seq));
            self.prev = None;
        }
        self.next = count(row.seq) + 1;
        let bytes = row.body.as_bytes();
        let leaf = hash::leaf(bytes);
        match EntryView::parse(bytes) {
            Err(error) => say("E_SCHEMA", &error.to_string()),
            Ok(entry) => {
                if int(entry.seq) != row.seq {
                    say("E_SEQ", &format!("it says it is entry {}", entry.seq));
                }
                if self.prev.is_some_and(|prev| prev != entry.prev) {
                    say("E_CHAIN", "it does not follow the entry before");
                }
                if entry.tenant != self.tenant.as_str() {
                    say("E_TENANT", "it belongs to another tenant");
                }
                if self.last.is_some_and(|last| entry.ts < last) {
                    say("E_TIME", "its time goes back");
                }
                if entry.ts.as_micros() != row.ts || entry.action != row.action.as_str() {
                    say("E_SCHEMA", "the columns beside it say something else");
                }
                self.last = Some(entry.ts);
            }
        }
        if leaf.to_string() != row.leaf {
            say("E_LEAF", "the leaf hash beside it is of other bytes");
        }
        self.prev = Some(leaf);
        found
    }
}

/// Checks the whole log.
pub(super) async fn whole(ledger: &Ledger<'_>, tenant: &TenantId) -> Result<Report, StoreError> {
    // In this order: a checkpoint that is signed meanwhile must not look longer than the log.
    let mut checkpoints = ledger.checkpoints(tenant).await?.into_iter().peekable();
    let end = recorded_end(ledger, tenant).await?;
    let mut walk = Walk::new(tenant, 0);
    let mut frontier = echobase_audit::Frontier::default();
    let mut findings = Vec::new();
    loop {
        let left = end.size.saturating_sub(walk.next).min(BATCH);
        let rows = if left == 0 { Vec::new() } else { ledger.rows_from(tenant, walk.next, left).await? };
        if rows.is_empty() {
            break;
        }
        for row in rows.iter().filter(|row| count(row.seq) < end.size) {
            findings.extend(walk.step(row));
            frontier.append(hash::leaf(row.body.as_bytes()));
            while let Some(checkpoint) = checkpoints.next_if(|c| c.size <= frontier.size()) {
                if let Err(error) = note_of(&checkpoint) {
                    findings.push(finding("E_SIG", checkpoint.size, error.to_string()));
                }
                if checkpoint.root != frontier.root() {
                    let size = checkpoint.size;
                    findings.push(finding("E_ROOT", size, format!("checkpoint {size} has another root")));
                }
            }
        }
    }
    if walk.next < end.size {
        findings.push(finding("E_TRUNCATED", walk.next, format!("{} entries were recorded", end.size)));
    }
    if let Some(checkpoint) = checkpoints.last() {
        findings.push(finding("E_TRUNCATED", walk.next, format!("checkpoint {} is longer", checkpoint.size)));
    }
    if walk.next == end.size && !end.peaks.is_empty() && end.peaks != peaks_of(&frontier) {
        findings.push(Finding {
            code: "E_ROOT",
            seq: None,
            detail: "the recorded end has another root".to_owned(),
        });
    }
    Ok(Report { entries: frontier.size(), root: frontier.root(), findings })
}

/// Checks the end of a log: the newest entries, and that they are what the log says its end is.
pub(super) async fn tail(ledger: &Ledger<'_>, tenant: &TenantId) -> Result<Option<Finding>, StoreError> {
    let checkpoint = ledger.newest_checkpoint(tenant).await?;
    let end = recorded_end(ledger, tenant).await?;
    let mut walk = Walk::new(tenant, end.size.saturating_sub(TAIL));
    for row in ledger.rows_from(tenant, walk.next, TAIL + 1).await? {
        if let Some(found) = walk.step(&row).into_iter().next() {
            return Ok(Some(found));
        }
    }
    if walk.next != end.size {
        let detail = format!("{} entries were recorded", end.size);
        return Ok(Some(finding("E_TRUNCATED", walk.next, detail)));
    }
    if let Some(checkpoint) = checkpoint.filter(|c| c.size > end.size) {
        return Ok(Some(finding(
            "E_TRUNCATED",
            end.size,
            format!("checkpoint {} is longer", checkpoint.size),
        )));
    }
    Ok(append::head(ledger.store.reader(), tenant).await.err().map(|error| Finding {
        code: "E_ROOT",
        seq: None,
        detail: error.to_string(),
    }))
}

/// Makes a damaged log one that can grow again: its end is recorded anew from the rows that are there, and the
/// next entry tells of the damage. What is wrong before it stays as it is, for every verifier to see.
pub(super) async fn accept(
    ledger: &Ledger<'_>,
    tenant: &TenantId,
    found: &Finding,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut frontier = echobase_audit::Frontier::default();
    loop {
        let rows = ledger.rows_from(tenant, frontier.size(), BATCH).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if count(row.seq) != frontier.size() {
                return Err(StoreError::LedgerDamaged {
                    log: tenant.to_string(),
                    finding: format!("entry {} is missing: restore a backup", frontier.size()),
                });
            }
            frontier.append(hash::leaf(row.body.as_bytes()));
        }
    }
    let tx = ledger.store.begin(tenant, now).await?;
    let peaks = peaks_of(&frontier);
    column::execute(
        tx.conn(),
        "UPDATE ledger_log SET size = $1, frontier = $2 WHERE tenant = $3",
        vec![int(frontier.size()).into(), peaks.into(), tenant.as_str().into()],
    )
    .await
    .map_err(failed("record end of ledger"))?;
    column::execute(
        tx.conn(),
        "DELETE FROM ledger_node WHERE tenant = $1 AND (idx + 1) * (1 << height) > $2",
        vec![tenant.as_str().into(), int(frontier.size()).into()],
    )
    .await
    .map_err(failed("record end of ledger"))?;
    let entry = EntryDraft::new(Actor::system("ledger"), "ledger.damage", "ledger", tenant)
        .outcome(Outcome::Error)
        .fact("code", found.code)
        .fact("detail", found.detail.as_str())
        .fact("size", int(frontier.size()));
    let entry = match found.seq {
        Some(seq) => entry.fact("seq", int(seq)),
        None => entry,
    };
    append::append(tx.conn(), tenant, &[entry], now).await?;
    tx.commit().await.map(|_| ())
}

struct End {
    size: u64,
    peaks: String,
}

async fn recorded_end(ledger: &Ledger<'_>, tenant: &TenantId) -> Result<End, StoreError> {
    let act = "read end of ledger";
    let row = column::query_one(
        ledger.store.reader(),
        "SELECT size, frontier FROM ledger_log WHERE tenant = $1",
        vec![tenant.as_str().into()],
    )
    .await
    .map_err(failed(act))?;
    let Some(row) = row else { return Ok(End { size: 0, peaks: String::new() }) };
    Ok(End {
        size: count(row.try_get("", "size").map_err(failed(act))?),
        peaks: row.try_get("", "frontier").map_err(failed(act))?,
    })
}

fn peaks_of(frontier: &echobase_audit::Frontier) -> String {
    frontier.peaks().iter().map(Hash::to_string).collect::<Vec<_>>().join(" ")
}

fn finding(code: &'static str, seq: u64, detail: String) -> Finding {
    Finding { code, seq: Some(seq), detail }
}
