//! The words of Echobase as data: ids, time, tenancy, resources, signals, assessments, interventions, alerts.
//!
//! **Invariant:** data only. No I/O, no clock, no serialisation format, no judgement beyond "is this value
//! well-formed". Every other crate may depend on this one; this one depends on nothing of ours.

pub mod alert;
pub mod assessment;
pub mod attribute;
pub mod change;
pub mod duration;
pub mod error;
pub mod id;
pub mod incident;
pub mod intervention;
pub mod ledger;
pub mod limits;
pub mod model;
pub mod playbook;
pub mod principal;
pub mod resource;
pub mod signal;
pub mod slo;
pub mod time;

pub use attribute::{AttributeValue, Attributes};
pub use error::ErrorKind;
pub use id::*;
pub use limits::IngestLimits;
pub use resource::{Dependency, Resource, ResourceKind};
pub use signal::SignalBatch;
pub use time::Timestamp;
