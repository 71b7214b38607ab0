//! The wire: what the HTTP API takes and gives, as data, and how it is described (OpenAPI, problem documents).
//!
//! **Invariant:** shapes and conversions only; no route is served here. Members are `snake_case`, times RFC 3339 in
//! UTC, ids texts, durations seconds (`_s`), ratios 0..=1.

pub mod advice;
pub mod alert;
pub mod assessment;
pub mod causes;
pub mod change;
pub mod feedback;
pub mod forecast;
pub mod freeze;
pub mod incident;
pub mod ingest;
pub mod intervention;
pub mod job;
pub mod ledger;
pub mod live;
pub mod model;
pub mod openapi;
pub mod overview;
pub mod page;
pub mod playbook;
pub mod principal;
pub mod problem;
pub mod promql;
pub mod query;
pub mod resource;
pub mod session;
pub mod slo;
pub mod time;

pub use page::{Page, PageQuery};
pub use problem::Problem;
pub use time::Time;
