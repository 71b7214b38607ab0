//! Dependencies from spans: a server span whose parent is a client span of another resource.
//!
//! Spans of one call arrive in any order and from different senders; both sides are remembered, each at most
//! [`REMEMBERED`] spans, the oldest forgotten first.

use std::collections::{BTreeMap, VecDeque};

use echobase_types::signal::{Span, SpanKind};
use echobase_types::{Dependency, ResourceId};

/// Client spans and orphaned server spans that are remembered, each.
const REMEMBERED: usize = 16_384;

#[derive(Clone, Debug, Default)]
struct Memory {
    by_key: BTreeMap<u64, ResourceId>,
    order: VecDeque<u64>,
}

impl Memory {
    fn put(&mut self, key: u64, resource: ResourceId) {
        if self.by_key.insert(key, resource).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

/// Matches the two sides of calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    callers: Memory,
    called: Memory,
}

impl Links {
    /// Takes a span; the dependency that it completes, if it does.
    pub(crate) fn observe(&mut self, span: &Span, resource: &ResourceId) -> Option<(ResourceId, ResourceId)> {
        match span.kind {
            SpanKind::Client | SpanKind::Producer => {
                let key = key(&span.trace_id, &span.span_id)?;
                self.callers.put(key, resource.clone());
                let called = self.called.by_key.get(&key)?;
                (called != resource).then(|| (resource.clone(), called.clone()))
            }
            SpanKind::Server | SpanKind::Consumer => {
                let key = key(&span.trace_id, &span.parent_span_id)?;
                self.called.put(key, resource.clone());
                let caller = self.callers.by_key.get(&key)?;
                (caller != resource).then(|| (caller.clone(), resource.clone()))
            }
            SpanKind::Unspecified | SpanKind::Internal => None,
        }
    }
}

fn key(trace_id: &str, span_id: &str) -> Option<u64> {
    let span = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
    let trace = trace_id.get(16..32).and_then(|low| u64::from_str_radix(low, 16).ok()).unwrap_or(0);
    Some(span ^ trace.rotate_left(32))
}

/// The peer that a client span names in its attributes, as far as it can be a resource's name.
pub(crate) fn peer(span: &Span) -> Option<&str> {
    ["peer.service", "server.address", "net.peer.name", "rpc.service", "db.system.name", "db.system"]
        .iter()
        .find_map(|key| span.attributes.text(key))
        .filter(|name| !name.is_empty())
}

/// An arrow that was seen in spans.
pub(crate) fn arrow(from: ResourceId, to: ResourceId) -> Dependency {
    Dependency { from, to, source: echobase_types::resource::DependencySource::Spans }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::signal::SpanStatus;
    use echobase_types::{Attributes, Timestamp};

    use super::*;

    fn span(kind: SpanKind, id: &str, parent: &str) -> Span {
        Span {
            resource: 0,
            trace_id: "0123456789abcdef0123456789abcdef".into(),
            span_id: id.into(),
            parent_span_id: parent.into(),
            name: "call".into(),
            kind,
            start: Timestamp::EPOCH,
            end: Timestamp::EPOCH,
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Attributes::new(),
        }
    }

    #[test]
    fn both_orders_of_arrival_give_the_dependency() {
        let (shop, orders) =
            (ResourceId::new("service:shop").unwrap(), ResourceId::new("service:orders").unwrap());
        let client = span(SpanKind::Client, "00000000000000aa", "");
        let server = span(SpanKind::Server, "00000000000000bb", "00000000000000aa");
        let want = Some((shop.clone(), orders.clone()));
        let mut links = Links::default();
        assert_eq!(links.observe(&client, &shop), None);
        assert_eq!(links.observe(&server, &orders), want);
        let mut links = Links::default();
        assert_eq!(links.observe(&server, &orders), None);
        assert_eq!(links.observe(&client, &shop), want);
    }

    #[test]
    fn a_resource_does_not_depend_on_itself_and_roots_on_nothing() {
        let shop = ResourceId::new("service:shop").unwrap();
        let mut links = Links::default();
        links.observe(&span(SpanKind::Client, "00000000000000aa", ""), &shop);
        assert_eq!(
            links.observe(&span(SpanKind::Server, "00000000000000bb", "00000000000000aa"), &shop),
            None
        );
        assert_eq!(links.observe(&span(SpanKind::Server, "00000000000000cc", ""), &shop), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        for key in 0..REMEMBERED as u64 + 100 {
            memory.put(key, ResourceId::new("service:a").unwrap());
        }
        assert_eq!((memory.by_key.len(), memory.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!memory.by_key.contains_key(&0));
    }
}
