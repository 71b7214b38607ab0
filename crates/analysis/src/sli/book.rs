//! All objectives of a tenant: each batch is counted for those that it concerns.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use echobase_types::signal::{Series, SignalBatch};
use echobase_types::slo::{Slo, SloVerdict};
use echobase_types::{ResourceId, SloId, Timestamp};

use super::{Meter, Wanted, rows};
use crate::burn::{Burn, Objective};
use crate::config::VitalRule;

/// Series that are silent for so long are forgotten. Their counts stay.
const FORGET_AFTER: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// One objective with what was counted for it.
#[derive(Debug)]
struct Entry {
    slo: Slo,
    meter: Meter,
    burn: Burn,
    newest: Option<Timestamp>,
    /// Rows up to here are counted already.
    after: Option<Timestamp>,
}

/// The objectives of a tenant. Pure: the same batches give the same verdicts on every machine.
///
/// ```
/// use echobase_analysis::sli::Book;
/// use echobase_types::{SignalBatch, Timestamp};
///
/// let mut book = Book::new(Vec::new());
/// book.observe(&SignalBatch::default());
/// assert_eq!(book.verdicts(Timestamp::from_secs(0)).count(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Book {
    extra: Vec<VitalRule>,
    entries: BTreeMap<SloId, Entry>,
    /// Which objectives a resource concerns.
    routes: HashMap<ResourceId, Vec<SloId>>,
    pruned: Option<Timestamp>,
}

impl Book {
    /// Without objectives; `extra` are the vital signs of the configuration.
    pub fn new(extra: Vec<VitalRule>) -> Self {
        Self { extra, ..Self::default() }
    }

    /// Takes an objective in, with nothing counted. One whose target or window mean nothing (see [`Objective::new`])
    /// is left out.
    pub fn insert(&mut self, slo: Slo) {
        let Some(objective) = Objective::new(slo.target, slo.window) else { return };
        let meter = Meter::new(slo.sli.clone(), self.extra.clone());
        let entry = Entry { meter, burn: Burn::new(objective), newest: None, after: None, slo };
        self.entries.insert(entry.slo.id, entry);
        self.routes.clear();
    }

    /// Takes an objective out.
    pub fn remove(&mut self, id: SloId) {
        self.entries.remove(&id);
        self.routes.clear();
    }

    /// Takes all objectives of another book with what was counted for them, instead of those of the same ids.
    pub fn adopt(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.routes.clear();
    }

    /// The objectives.
    pub fn slos(&self) -> impl ExactSizeIterator<Item = &Slo> {
        self.entries.values().map(|entry| &entry.slo)
    }

    /// What it counts of a resource that has `series`: which of them, and whether its spans.
    pub fn wanted(&self, resource: &ResourceId, series: &[Series]) -> Wanted {
        let concerned = self.entries.values().filter(|e| e.slo.selector.takes_in(resource));
        let each = concerned.map(|e| e.meter.wanted(series));
        each.fold(Wanted::default(), |mut all, one| {
            all.series.extend(one.series);
            all.spans |= one.spans;
            all
        })
    }

    /// Counts a batch.
    pub fn observe(&mut self, batch: &SignalBatch) {
        if self.entries.is_empty() {
            return;
        }
        for resource in &batch.resources {
            if !self.routes.contains_key(&resource.id) {
                let concerned = self.entries.values().filter(|e| e.slo.selector.takes_in(&resource.id));
                let concerned = concerned.map(|e| e.slo.id).collect();
                self.routes.insert(resource.id.clone(), concerned);
            }
        }
        let is_wanted = |id: &ResourceId| self.routes.get(id).is_some_and(|ids| !ids.is_empty());
        let wanted: Vec<bool> = batch.resources.iter().map(|r| is_wanted(&r.id)).collect();
        if !wanted.contains(&true) {
            return;
        }
        let rows = rows(batch, &wanted);
        for of_resource in rows.chunk_by(|a, b| a.resource == b.resource) {
            let Some(first) = of_resource.first() else { continue };
            let Some(resource) = batch.resources.get(first.resource as usize) else { continue };
            for id in self.routes.get(&resource.id).map(Vec::as_slice).unwrap_or_default() {
                let Some(entry) = self.entries.get_mut(id) else { continue };
                let skip = entry.after.map_or(0, |after| of_resource.partition_point(|r| r.time <= after));
                let (burn, newest) = (&mut entry.burn, &mut entry.newest);
                entry.meter.take(batch, &resource.id, &of_resource[skip..], &mut |count| {
                    burn.observe(count.at, count.good, count.bad);
                    *newest = (*newest).max(Some(count.at));
                });
            }
        }
    }

    /// Says that history was read up to `now`: what comes once more, up to the newest row that was counted, is not
    /// counted again.
    pub fn close(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            entry.after = entry.newest.map(|newest| newest.min(now)).max(entry.after);
        }
    }

    /// The verdict on every objective, in the order of their ids.
    pub fn verdicts(&mut self, now: Timestamp) -> impl Iterator<Item = (&Slo, SloVerdict)> {
        if self.pruned.is_none_or(|pruned| now.since(pruned) >= HOUR) {
            self.pruned = Some(now);
            for entry in self.entries.values_mut() {
                entry.meter.prune(now - FORGET_AFTER);
            }
        }
        self.entries.values().map(move |entry| (&entry.slo, entry.verdict(now)))
    }
}

impl Entry {
    fn verdict(&self, now: Timestamp) -> SloVerdict {
        let (good, bad) = self.burn.counted(now);
        SloVerdict {
            at: now,
            good,
            bad,
            covered: self.burn.covered(now),
            resources: u32::try_from(self.meter.resources()).unwrap_or(u32::MAX),
            last_data_at: self.newest,
            readings: self.burn.readings(now),
            left: self.burn.left(now),
            forecast: self.burn.forecast(now),
            history: self.burn.history(now),
            recent: self.burn.recent(now),
        }
    }
}
