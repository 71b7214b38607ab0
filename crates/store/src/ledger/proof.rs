//! Receipts: from the stored nodes, and checked before they are handed out.

use std::cell::RefCell;
use std::collections::BTreeMap;

use echobase_audit::tree::{self, NodeSource};
use echobase_audit::{Hash, Receipt};
use echobase_types::TenantId;

use super::append::NODE_HEIGHT;
use super::{Ledger, hash_of, note_of};
use crate::column::{self, int};
use crate::error::{StoreError, failed};

/// A receipt with the entry it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryReceipt {
    /// Which entry.
    pub seq: u64,
    /// The proof, as text: C2SP tlog-proof@v1.
    pub proof: String,
    /// The entry's bytes.
    pub entry: Vec<u8>,
}

/// Notes which nodes a proof asks for.
struct Wanted(RefCell<Vec<(u8, u64)>>);

impl NodeSource for Wanted {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        self.0.borrow_mut().push((height, index));
        Some(Hash::ZERO)
    }
}

/// Nodes that were read.
struct Nodes(BTreeMap<(u8, u64), Hash>);

impl NodeSource for Nodes {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        self.0.get(&(height, index)).copied()
    }
}

pub(super) async fn receipt(
    ledger: &Ledger<'_>,
    tenant: &TenantId,
    seq: u64,
) -> Result<EntryReceipt, StoreError> {
    let entry = ledger.entry(tenant, seq).await?;
    let checkpoint =
        ledger.newest_checkpoint(tenant).await?.filter(|c| c.size > seq).ok_or_else(|| {
            StoreError::conflict("ledger entry", seq, "no checkpoint covers it yet; ask again")
        })?;
    let note = note_of(&checkpoint)?;
    let damaged = |e: &dyn std::fmt::Display| StoreError::damaged("proof of ledger entry", seq, e);
    let wanted = Wanted(RefCell::default());
    Receipt::new(&wanted, seq, &note).map_err(|e| damaged(&e))?;
    let mut nodes = BTreeMap::new();
    for (height, index) in wanted.0.into_inner() {
        nodes.insert((height, index), node(ledger, tenant, height, index).await?);
    }
    let receipt = Receipt::new(&Nodes(nodes), seq, &note).map_err(|e| damaged(&e))?;
    let leaf = echobase_audit::hash::leaf(&entry.bytes);
    tree::verify_inclusion(&leaf, seq, checkpoint.size, &receipt.path, &checkpoint.root)
        .map_err(|e| damaged(&e))?;
    Ok(EntryReceipt { seq, proof: receipt.to_text(), entry: entry.bytes })
}

async fn node(ledger: &Ledger<'_>, tenant: &TenantId, height: u8, index: u64) -> Result<Hash, StoreError> {
    if height < NODE_HEIGHT {
        let width = 1_u64 << height;
        let leaves = ledger.entries_from(tenant, index << height, width).await?;
        let leaves: Vec<Hash> = leaves.iter().map(|entry| entry.leaf).collect();
        return leaves
            .node(height, 0)
            .ok_or_else(|| StoreError::damaged("ledger", tenant, "entries are missing"));
    }
    let act = "read ledger node";
    let row = column::query_one(
        ledger.store.reader(),
        "SELECT hash FROM ledger_node WHERE tenant = $1 AND height = $2 AND idx = $3",
        vec![tenant.as_str().into(), i64::from(height).into(), int(index).into()],
    )
    .await
    .map_err(failed(act))?
    .ok_or_else(|| StoreError::damaged("ledger", tenant, "a tree node is missing"))?;
    hash_of("ledger node", int(index), &row.try_get::<String>("", "hash").map_err(failed(act))?)
}
