//! A batch of measures of one resource at one time.

use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, SignalBatch, Timestamp};

use crate::identity::series_id;

/// Collects measures. Values that are not finite are left out.
pub(super) struct Measures {
    batch: SignalBatch,
    resource: Resource,
    now: Timestamp,
}

impl Measures {
    pub(super) fn new(resource: Resource, now: Timestamp) -> Self {
        Self { batch: SignalBatch::default(), resource, now }
    }

    pub(super) fn add(&mut self, name: &str, unit: &str, kind: MetricKind, of: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        let attributes: Attributes = of.iter().copied().collect();
        let series = self.batch.series.len() as u32;
        self.batch.series.push(Series {
            id: series_id(&self.resource.id, name, &attributes),
            resource: 0,
            name: name.to_owned(),
            unit: unit.to_owned(),
            kind,
            attributes,
        });
        self.batch.points.push(MetricPoint { series, time: self.now, value });
    }

    pub(super) fn finish(mut self) -> SignalBatch {
        self.batch.resources.push(self.resource);
        self.batch
    }
}
