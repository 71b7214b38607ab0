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
use crate::sketch::Sketch;
use crate::stream::Origin;
use crate::vital::{self, Mapped, Reading, Scale};

/// Peers of client spans that are told apart.
const MAX_PEERS: usize = 32;
/// Intervals that may be open at once: beyond them the oldest is over.
const MAX_OPEN: usize = 1_024;

/// The intervals that spans are gathered in, and what they feed.
///
/// Senders' clocks differ, and so a span that ends later than all others proves nothing: an interval is over when the time of
/// a judgement is past its end, not when somebody speaks of a later one. Where nothing was judged yet the spans are all
/// that tells the time.
#[derive(Debug, Default)]
pub(super) struct SpanWindow {
    /// By their end, and in them by the source of the requests.
    open: BTreeMap<Timestamp, BTreeMap<u32, Gathered>>,
    /// The end of the newest interval that is over.
    over: Option<Timestamp>,
    server: Option<(u32, u32)>,
    peers: BTreeMap<String, Peer>,
}

/// Whom client spans call.
#[derive(Debug)]
struct Peer {
    sources: (u32, u32),
    /// The end of its newest span.
    seen: Timestamp,
}

/// The spans of one source in one interval.
#[derive(Debug, Default)]
struct Gathered {
    requests: f64,
    failures: f64,
    durations: Sketch,
}

impl SpanWindow {
    /// Approximate memory of the open intervals in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.open.values().map(BTreeMap::len).sum::<usize>()
            * (size_of::<Gathered>() + Sketch::heap_bytes() + 48)
    }

    /// Whether the oldest open interval is over: no further span of it is waited for once a whole interval went by,
    /// or once later spans came.
    fn is_over(&self, now: Timestamp, interval: Duration) -> bool {
        let oldest = self.open.first_key_value().map(|(end, _)| *end);
        oldest.is_some_and(|end| now >= end + interval || (now >= end && self.open.len() > 1))
    }
}

impl Watched {
    /// Takes a span into the interval it ended in; `judged` is the time of the last judgement.
    pub(in crate::engine) fn take_span(
        &mut self,
        span: &Span,
        interval: Duration,
        judged: Option<Timestamp>,
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
        let mut end = Timestamp::from_micros((span.end.as_micros().div_euclid(width) + 1) * width);
        match self.spans.over {
            Some(over) if end < over => {
                counts.late += 1;
                return;
            }
            // Just missed: it counts with the interval after.
            Some(over) if end == over => end = over + interval,
            _ => {}
        }
        counts.taken += 1;
        let Some((traffic, _)) = self.span_sources(span, is_server) else {
            counts.overflow += 1;
            return;
        };
        let is_failed = span.status == SpanStatus::Error
            || (span.status == SpanStatus::Unset && vital::failed(&span.attributes, !is_server));
        let gathered = self.spans.open.entry(end).or_default().entry(traffic).or_default();
        gathered.requests += 1.0;
        gathered.failures += if is_failed { 1.0 } else { 0.0 };
        gathered.durations.add(span.end.since(span.start).as_secs_f64());
        while self.spans.open.len() > MAX_OPEN || (judged.is_none() && self.spans.open.len() > 1) {
            self.close_oldest(limits, counts);
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
        if let Some(known) = self.spans.peers.get_mut(peer) {
            known.seen = known.seen.max(span.end);
            return Some(known.sources);
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
        self.spans.peers.insert(peer, Peer { sources: new, seen: span.end });
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

    /// Ends the oldest open interval.
    fn close_oldest(&mut self, limits: &Limits, counts: &mut Counts) {
        let Some((end, mut gathered)) = self.spans.open.pop_first() else { return };
        self.spans.over = self.spans.over.max(Some(end));
        let peers = self.spans.peers.values().map(|peer| peer.sources);
        let all: Vec<(u32, u32)> = self.spans.server.into_iter().chain(peers).collect();
        for (traffic, durations) in all {
            if let Some(of) = gathered.remove(&traffic) {
                if let Some(Some(placed)) = self.sources.get_mut(traffic as usize) {
                    placed.source.add_requests(of.requests, of.failures);
                }
                if let Some(Some(placed)) = self.sources.get_mut(durations as usize) {
                    placed.source.add_durations(&of.durations);
                }
            }
            for at in [traffic, durations] {
                let Some(Some(placed)) = self.sources.get_mut(at as usize) else { continue };
                placed.source.mark(end);
                if let Some((time, figures)) = placed.source.flush(None) {
                    self.learn(at, time, figures, limits, counts);
                }
            }
        }
        self.learn_weights(end);
    }

    /// Drops the peers that were not called for `after`: their places are for others.
    pub(super) fn forget_peers(&mut self, now: Timestamp, after: Duration) {
        let mut gone = Vec::new();
        self.spans.peers.retain(|_, peer| {
            let stays = now.since(peer.seen) <= after;
            if !stays {
                gone.push(peer.sources);
            }
            stays
        });
        for (traffic, durations) in gone {
            self.spans.open.values_mut().for_each(|gathered| drop(gathered.remove(&traffic)));
            self.drop_source(traffic, now);
            self.drop_source(durations, now);
        }
    }

    /// Ends the intervals of spans that are over by now.
    pub(super) fn end_intervals(
        &mut self,
        now: Timestamp,
        interval: Duration,
        limits: &Limits,
        counts: &mut Counts,
    ) {
        while self.spans.is_over(now, interval) {
            self.close_oldest(limits, counts);
        }
    }

    /// Ends all intervals of spans: no later span comes.
    pub(in crate::engine) fn close_spans(&mut self, limits: &Limits, counts: &mut Counts) {
        while !self.spans.open.is_empty() {
            self.close_oldest(limits, counts);
        }
    }
}
