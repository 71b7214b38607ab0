//! State at rest: tenants, principals, keys, sessions, playbooks, interventions, freezes, leases, alerts, the
//! outbox, the file catalog and the ledger, in SQLite.
//!
//! **Invariant:** a state change, the ledger entries that tell of it and the messages that follow from it commit
//! in one transaction, so that none exists without the others. Every table is led by its tenant, and no function
//! reads across tenants unless its name says so. No clock: `now` is an argument.
//!
//! Reads and one-step writes go through small handles (`store.interventions()`, `store.alerts()`, …). A write that
//! spans several nouns opens a [`Tx`], calls the methods of the same names on it, and commits.

pub mod alert;
pub mod catalog;
pub mod change;
pub mod effect;
pub mod error;
pub mod freeze;
pub mod idempotency;
pub mod incident;
pub mod intervention;
pub mod job;
pub mod key;
pub mod lease;
pub mod ledger;
pub mod model;
pub mod outbox;
pub mod page;
pub mod password;
pub mod playbook;
pub mod principal;
pub mod reference;
pub mod resource;
pub mod secret;
pub mod session;
pub mod setting;
pub mod signin_link;
pub mod slo;
pub mod store;
pub mod tenant;
pub mod tx;

mod body;
mod column;
mod entity;
mod migration;

pub use error::StoreError;
pub use ledger::EntryRef;
pub use page::{Cursor, Page, PageRequest};
pub use secret::fresh_uuid;
pub use store::{Location, OpenMode, Store};
pub use tx::{Trail, Tx};
