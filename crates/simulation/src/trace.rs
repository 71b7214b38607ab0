//! Traces: W3C context between processes, and the spans of this one.

use std::sync::{Mutex, PoisonError};

use echobase_types::Timestamp;
use echobase_types::signal::SpanKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::meter::Labels;

/// Spans that wait for export at most; beyond, the oldest are dropped.
const MAX_WAITING: usize = 8_192;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

impl TraceContext {
    /// Reads a `traceparent` header (W3C Trace Context, version 00).
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|&id| id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|&id| id != 0)?;
        Some(Self { trace: trace.to_be_bytes(), span: span.to_be_bytes() })
    }

    /// The header's text.
    pub(crate) fn header(self) -> String {
        format!("00-{:032x}-{:016x}-01", u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span))
    }
}

/// A finished span.
#[derive(Clone, Debug)]
pub(crate) struct SpanRecord {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// What went wrong, or nothing.
    pub(crate) error: Option<String>,
    pub(crate) attributes: Labels,
}

/// Makes ids and keeps spans until they are exported.
pub(crate) struct Tracer {
    random: Mutex<ChaCha8Rng>,
    waiting: Mutex<Vec<SpanRecord>>,
}

impl Tracer {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)), waiting: Mutex::new(Vec::new()) }
    }

    /// The context of a new span: below `parent`, or the root of a new trace.
    pub(crate) fn begin(&self, parent: Option<TraceContext>) -> TraceContext {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let trace =
            parent.map_or_else(|| random.random_range(1..=u128::MAX).to_be_bytes(), |parent| parent.trace);
        TraceContext { trace, span: random.random_range(1..=u64::MAX).to_be_bytes() }
    }

    /// Keeps a finished span for export.
    pub(crate) fn end(&self, span: SpanRecord) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MAX_WAITING {
            waiting.remove(0);
        }
        waiting.push(span);
    }

    /// Takes all spans that wait.
    pub(crate) fn take(&self) -> Vec<SpanRecord> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_reads_back_and_a_broken_header_is_no_context() {
        let tracer = Tracer::new(1);
        let root = tracer.begin(None);
        assert_eq!(TraceContext::parse(&root.header()), Some(root));
        let child = tracer.begin(Some(root));
        assert_eq!(child.trace, root.trace);
        assert_ne!(child.span, root.span);
        for header in [
            "",
            "00-1-2-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(header), None, "{header}");
        }
    }

    #[test]
    fn ids_depend_on_the_seed_only() {
        assert_eq!(Tracer::new(7).begin(None), Tracer::new(7).begin(None));
        assert_ne!(Tracer::new(7).begin(None), Tracer::new(8).begin(None));
    }
}
