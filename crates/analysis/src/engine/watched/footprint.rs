//! What the state of a resource takes in memory.

use std::collections::BTreeMap;

use super::{Placed, Plain, Role, Slot, Watched};
use crate::exhaustion::Trend;
use crate::stream::Stream;

/// What the allocator adds to a block, on average: its own figure, and rounding up.
const BLOCK: usize = 16;

impl Watched {
    /// What is held, in bytes: everything that grows with the number of series, with what lists keep in reserve.
    pub(in crate::engine) fn memory_bytes(&self) -> usize {
        let slots: usize = self.slots.iter().flatten().map(Slot::heap_bytes).sum();
        let sources: usize = self.sources.iter().flatten().map(Placed::heap_bytes).sum();
        let streams: usize = self
            .streams()
            .map(|stream| {
                let trend = stream.trend.as_ref().map_or(0, |_| size_of::<Trend>() + BLOCK);
                block::<Stream>() + text(&stream.metric) + trend + stream.channel.heap_bytes()
            })
            .sum();
        size_of::<Self>()
            + list(&self.slots)
            + list(&self.sources)
            + list(&self.streams)
            + list(&self.dirty)
            + tree(&self.by_id)
            + tree(&self.by_key)
            + slots
            + sources
            + streams
            + self.spans.memory_bytes()
    }
}

impl Slot {
    fn heap_bytes(&self) -> usize {
        match &self.role {
            Role::Vital(places) => list(places),
            Role::Plain(plain) => block::<Plain>() + text(&plain.metric) + plain.channel.heap_bytes(),
        }
    }
}

impl Placed {
    fn heap_bytes(&self) -> usize {
        text(&self.name) + text(&self.instance) + self.source.heap_bytes() + BLOCK
    }
}

/// A block that holds one value.
const fn block<T>() -> usize {
    size_of::<T>() + BLOCK
}

/// The block of a list; none while it is empty.
fn list<T>(list: &Vec<T>) -> usize {
    if list.capacity() == 0 { 0 } else { list.capacity() * size_of::<T>() + BLOCK }
}

/// The block of a name.
fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { text.len() + BLOCK }
}

/// The nodes of a tree, of which two thirds are filled.
fn tree<K, V>(tree: &BTreeMap<K, V>) -> usize {
    tree.len() * (size_of::<K>() + size_of::<V>()) * 3 / 2
}
