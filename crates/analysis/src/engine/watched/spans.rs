//! Requests and calls as spans tell of them: gathered over an interval, then learned like any vital sign.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::assessment::Vital;
use echobase_types::signal::{Span, SpanKind, SpanStatus};

use super::Watched;
use crate::channel::Limits;
use crate::engine::Counts;
use crate::links;
use crate::stream::Origin;
use crate::vital::{self, Mapped, Reading, Scale};

/// Peers of client spans that are told apart.
const MAX_PEERS: usize = 32;

/// The interval that spans are gathered in, and what they feed.
#[derive(Debug, Default)]
pub(super) struct SpanWindow {
    end: Option<Timestamp>,
    server: Option<(u32, u32)>,
    peers: BTreeMap<String, (u32, u32)>,
}

impl SpanWindow {
    /// Whether an interval is open of which no further span is waited for.
    pub(super) fn is_over(&self, now: Timestamp, interval: Duration) -> bool {
        self.end.is_some_and(|end| now >= end + interval)
    }
}

impl Watched {
    /// Takes a span into the interval it ended in.
    pub(in crate::engine) fn take_span(
        &mut self,
        span: &Span,
        interval: Duration,
        limits: &Limits,
        counts: &mut Counts,
    ) {
        self.last_signal = self.last_signal.max(span.end);
        let is_server = match span.kind {
            SpanKind::Server | SpanKind::Consumer => true,
            SpanKind::Client | SpanKind::Producer => false,
            SpanKind::Unspecified | SpanKind::Internal => return,
        };
        let width = (interval.as_micros() as i64).max(1);
        let end = Timestamp::from_micros((span.end.as_micros().div_euclid(width) + 1) * width);
        match self.spans.end {
            Some(current) if end > current => {
                self.close_window(current, limits, counts);
                self.spans.end = Some(end);
            }
            Some(current) if current.since(end) > interval => {
                counts.late += 1;
                return;
            }
            Some(_) => {}
            None => self.spans.end = Some(end),
        }
        counts.taken += 1;
        let Some((traffic, durations)) = self.span_sources(span, is_server) else {
            counts.overflow += 1;
            return;
        };
        let is_failed = span.status == SpanStatus::Error
            || (span.status == SpanStatus::Unset && vital::failed(&span.attributes, !is_server));
        let seconds = span.end.since(span.start).as_secs_f64();
        if let Some(Some(placed)) = self.sources.get_mut(traffic as usize) {
            placed.source.add_request(if is_failed { 1.0 } else { 0.0 });
        }
        if let Some(Some(placed)) = self.sources.get_mut(durations as usize) {
            placed.source.add_duration(seconds);
        }
    }

    fn span_sources(&mut self, span: &Span, is_server: bool) -> Option<(u32, u32)> {
        if is_server {
            if self.spans.server.is_none() {
                self.spans.server = self.new_span_sources(
                    Vital::RequestRate,
                    Vital::LatencyP99,
                    "server spans",
                    String::new(),
                );
            }
            return self.spans.server;
        }
        let peer = links::peer(span).unwrap_or("unnamed");
        if let Some(known) = self.spans.peers.get(peer) {
            return Some(*known);
        }
        if self.spans.peers.len() >= MAX_PEERS {
            return None;
        }
        let peer = peer.to_owned();
        let new = self.new_span_sources(
            Vital::DependencyErrorRatio,
            Vital::DependencyLatency,
            "client spans",
            format!("peer={peer}"),
        )?;
        self.spans.peers.insert(peer, new);
        Some(new)
    }

    fn new_span_sources(
        &mut self,
        traffic: Vital,
        latency: Vital,
        name: &str,
        instance: String,
    ) -> Option<(u32, u32)> {
        let mapped = |vital, reading| Mapped {
            vital,
            reading,
            family: "spans".to_owned(),
            instance: instance.clone(),
            scale: Scale::Unit,
            factor: 1.0,
            failed: false,
        };
        let traffic = self.source(&mapped(traffic, Reading::Requests), name, Origin::Spans)?;
        let durations = self.source(&mapped(latency, Reading::Duration), name, Origin::Spans)?;
        Some((traffic, durations))
    }

    fn close_window(&mut self, end: Timestamp, limits: &Limits, counts: &mut Counts) {
        let all: Vec<u32> =
            self.spans.server.iter().chain(self.spans.peers.values()).flat_map(|(a, b)| [*a, *b]).collect();
        for at in all {
            if let Some(Some(placed)) = self.sources.get_mut(at as usize) {
                placed.source.mark(end);
                if let Some((time, figures)) = placed.source.flush(None) {
                    self.learn(at, time, figures, limits, counts);
                }
            }
        }
        self.learn_weights(end);
    }

    /// Closes the interval of spans that is open: no later span comes.
    pub(in crate::engine) fn close_spans(&mut self, limits: &Limits, counts: &mut Counts) {
        if let Some(end) = self.spans.end.take() {
            self.close_window(end, limits, counts);
        }
    }
}
