//! Pure numerics: stability, drift, anomaly, exhaustion, risk.
//!
//! Signals go in ([`Engine::observe`]), one [`echobase_types::assessment::Assessment`] per resource comes out
//! ([`Engine::assess`]), with the reasons of every figure. All is streaming: a few kB per series, no history is read
//! again.
//!
//! **Invariant:** no I/O, no clock, no randomness. Time is an argument. Same signals, same verdict, on every machine;
//! whatever the signals are, every figure is finite and within its range.

pub mod burn;
pub mod calibration;
pub mod causes;
pub mod change_event;
pub mod changes;
pub mod columns;
pub mod config;
pub mod engine;
pub mod feedback;
pub mod forecast;
pub mod learning;
pub mod path;
pub mod precursor;
pub mod risk;
pub mod sli;
pub mod stability;
pub mod steps;
pub mod vital;

mod ahead;
mod anomaly;
mod channel;
mod counter;
mod course;
mod cycle;
mod detector;
mod drift;
mod exhaustion;
mod informed;
mod joint;
mod links;
mod normal;
mod novelty;
mod onset;
mod pace;
mod profile;
mod sketch;
mod source;
mod stream;
mod tail;
pub mod waiting;
pub mod wear;
mod whole;
mod words;

pub use ahead::Horizon;
pub use anomaly::is_anomaly_id;
pub use changes::{ChangePoint, changes};
pub use columns::{Detection, RowDetector, RowVerdict, assess_columns, assess_columns_ahead};
pub use config::{AnalysisConfig, Transform, VitalRule};
pub use engine::{Counts, Engine};
