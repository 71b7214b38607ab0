//! What a decoder answers.

use std::collections::BTreeMap;
use std::fmt;

use echobase_types::signal::{RejectReason, Rejected};
use echobase_types::{ErrorKind, SignalBatch};

/// The accepted rows of one body, and what was refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The accepted rows.
    pub batch: SignalBatch,
    /// The first refused rows, at most `IngestLimits::max_listed_rejections`.
    pub rejected: Vec<Rejected>,
    /// How many rows were refused, by reason; covers the rows that are not listed too.
    pub rejected_count: BTreeMap<RejectReason, u64>,
}

impl Decoded {
    /// How many rows were refused.
    pub fn rejected_total(&self) -> u64 {
        self.rejected_count.values().sum()
    }

    /// Count and message of an OTLP `partial_success`, or `None` where every row was accepted.
    pub fn partial_success(&self) -> Option<(i64, String)> {
        let total = self.rejected_total();
        if total == 0 {
            return None;
        }
        let mut message = String::new();
        for (reason, count) in &self.rejected_count {
            let comma = if message.is_empty() { "" } else { ", " };
            message.push_str(&format!("{comma}{count} {}", reason.as_str()));
        }
        for row in self.rejected.iter().take(3) {
            message.push_str(&format!("; {}: {}", row.at, row.detail));
        }
        Some((i64::try_from(total).unwrap_or(i64::MAX), message))
    }
}

/// A body that does not parse as a whole (400). Nothing of it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse body at {position}: {detail}")]
pub struct Malformed {
    /// Where reading stopped.
    pub position: Position,
    /// What is wrong there.
    pub detail: String,
}

impl Malformed {
    /// `Invalid`.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Bytes from the start.
    Byte(usize),
    /// Line and column, both from 1.
    Line {
        /// Line.
        line: usize,
        /// Column in bytes.
        column: usize,
    },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(at) => write!(f, "byte {at}"),
            Self::Line { line, column } => write!(f, "line {line} column {column}"),
        }
    }
}
