//! The terms under which rows are let in.

use echobase_types::{IngestLimits, TenantId, Timestamp};

use crate::SeriesBudget;

/// What a decoder must know to judge a row: whose it is, what is allowed, and what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// The sender's tenant.
    pub tenant: &'a TenantId,
    /// The limits.
    pub limits: &'a IngestLimits,
    /// The budget of new series.
    pub budget: &'a SeriesBudget,
    /// The time now.
    pub now: Timestamp,
    /// Whether old rows are refused.
    pub age: Age,
}

/// Whether the age of a row matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Rows older than `IngestLimits::max_age` are refused.
    Limited,
    /// Rows may be as old as they like: imports of history.
    Waived,
}

impl<'a> Admission<'a> {
    /// The terms for what is sent live.
    pub const fn live(
        tenant: &'a TenantId,
        limits: &'a IngestLimits,
        budget: &'a SeriesBudget,
        now: Timestamp,
    ) -> Self {
        Self { tenant, limits, budget, now, age: Age::Limited }
    }

    /// The terms for imports of history: the same, but the age does not matter.
    pub const fn historical(self) -> Self {
        Self { age: Age::Waived, ..self }
    }
}
