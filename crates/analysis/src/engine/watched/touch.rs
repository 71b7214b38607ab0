//! Memory that is read before it is needed.

use echobase_types::SeriesId;

use super::{Role, Watched};

impl Watched {
    /// The place of a series that is known already.
    pub(in crate::engine) fn known(&self, series: SeriesId) -> Option<u32> {
        self.by_id.get(&series).copied()
    }

    /// Reads what a point of the series at `place` will need; see [`crate::channel::Channel::touch`].
    pub(in crate::engine) fn touch(&self, place: u32) -> u32 {
        let Some(Some(slot)) = self.slots.get(place as usize) else { return 0 };
        match &slot.role {
            Role::Plain(plain) => plain.channel.touch() ^ plain.wear.count(),
            Role::Vital(places) => places.iter().fold(0, |sum, &(at, within)| {
                let Some(Some(placed)) = self.sources.get(at as usize) else { return sum };
                let streams = placed
                    .streams
                    .iter()
                    .flatten()
                    .filter_map(|&(_, at)| self.streams.get(at as usize)?.as_ref());
                streams.fold(sum ^ placed.source.touch(within as usize), |sum, s| sum ^ s.touch())
            }),
        }
    }
}
