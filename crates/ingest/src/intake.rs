//! The one gate that every decoder puts its rows through.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::hash::BuildHasherDefault;

use echobase_types::signal::{
    HistogramPoint, LogRecord, MetricKind, MetricPoint, RejectReason, Rejected, Series, Span,
};
use echobase_types::{AttributeValue, Attributes, ResourceId, SeriesId, Timestamp};

use crate::budget::{AlreadyHashed, Share, of_resource};
use crate::identity::{Identified, series_id};
use crate::{Admission, Age, Decoded};

/// Characters of a refused value that are shown.
const SHOWN: usize = 80;

/// Why a row is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: RejectReason,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Rows that could not be read, by their place: why, and for how many rows that counts.
#[derive(Debug, Default)]
pub(crate) struct Faults(HashMap<String, (Refusal, usize)>);

impl Faults {
    pub(crate) fn insert(&mut self, at: String, refusal: Refusal, rows: usize) {
        self.0.insert(at, (refusal, rows));
    }

    /// Why the row at a place could not be read, and for how many rows that counts.
    pub(crate) fn at(&self, at: impl Display) -> Option<&(Refusal, usize)> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&at.to_string())
    }
}

/// A text cut to what is worth showing.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Where the rows of one sender belong: a resource of the batch, and what goes onto each row.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    index: u32,
    instance: Attributes,
}

/// The name and kind of a metric whose points are being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) kind: MetricKind,
}

/// A batch being filled.
pub(crate) struct Intake<'a> {
    admission: Admission<'a>,
    share: Share,
    decoded: Decoded,
    resources: HashMap<ResourceId, u32>,
    series: HashMap<SeriesId, u32, BuildHasherDefault<AlreadyHashed>>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(admission: &Admission<'a>) -> Self {
        Self {
            admission: *admission,
            share: admission.budget.tenant(admission.tenant),
            decoded: Decoded::default(),
            resources: HashMap::new(),
            series: HashMap::default(),
        }
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.admission.now
    }

    pub(crate) fn finish(self) -> Decoded {
        self.decoded
    }

    /// Lists and counts a row that `outcome` refuses.
    pub(crate) fn row(&mut self, at: impl Display, outcome: Result<(), Refusal>) {
        if let Err(refusal) = outcome {
            self.refuse(at, &refusal, 1);
        }
    }

    /// Lists one entry for `rows` rows refused for one reason.
    pub(crate) fn refuse(&mut self, at: impl Display, refusal: &Refusal, rows: usize) {
        if rows == 0 {
            return;
        }
        *self.decoded.rejected_count.entry(refusal.reason).or_default() += rows as u64;
        if self.decoded.rejected.len() < self.admission.limits.max_listed_rejections {
            let (at, reason, detail) = (at.to_string(), refusal.reason, refusal.detail.clone());
            self.decoded.rejected.push(Rejected { at, reason, detail });
        }
    }

    /// Lets a resource in. A new one counts against the budget of new series, like any series of it.
    pub(crate) fn source(&mut self, known: Identified) -> Result<Source, Refusal> {
        let Identified { resource, instance } = known;
        if let Some(&index) = self.resources.get(&resource.id) {
            return Ok(Source { index, instance });
        }
        self.check_attributes(&resource.attributes, self.admission.limits.max_value_bytes)?;
        self.check_attributes(&instance, self.admission.limits.max_value_bytes)?;
        self.spend(of_resource(&resource.id), resource.id.as_str())?;
        let index = self.decoded.batch.resources.len() as u32;
        self.resources.insert(resource.id.clone(), index);
        self.decoded.batch.resources.push(resource);
        Ok(Source { index, instance })
    }

    /// Lets a numeric point in.
    pub(crate) fn point(
        &mut self,
        source: &Source,
        metric: Metric<'_>,
        attributes: Attributes,
        time: Timestamp,
        value: f64,
    ) -> Result<(), Refusal> {
        self.check_value(metric.name, time, value)?;
        let series = self.series(source, metric, attributes)?;
        self.value(series, time, value);
        Ok(())
    }

    /// The series of one column of a table, for `value`.
    pub(crate) fn column(
        &mut self,
        source: &Source,
        metric: Metric<'_>,
        attributes: Attributes,
    ) -> Result<u32, Refusal> {
        self.series(source, metric, attributes)
    }

    /// Whether a value of a table may come in at all.
    pub(crate) fn check_value(&self, name: &str, time: Timestamp, value: f64) -> Result<(), Refusal> {
        if !value.is_finite() {
            return Err(not_finite(name, value));
        }
        self.check_time(time)
    }

    /// Lets a value of a known series in that `check_value` let pass.
    pub(crate) fn value(&mut self, series: u32, time: Timestamp, value: f64) {
        self.decoded.batch.points.push(MetricPoint { series, time, value });
    }

    /// Lets a histogram in; `point.series` is set here.
    pub(crate) fn histogram(
        &mut self,
        source: &Source,
        metric: Metric<'_>,
        attributes: Attributes,
        point: HistogramPoint,
    ) -> Result<(), Refusal> {
        if !point.sum.is_finite() {
            return Err(not_finite(metric.name, point.sum));
        }
        if point.counts.len() != point.bounds.len() + 1 {
            let (counts, bounds) = (point.counts.len(), point.bounds.len());
            return Err(malformed(format!(
                "`{}` has {counts} buckets for {bounds} bounds",
                shown(metric.name)
            )));
        }
        if let Some(bad) = point.bounds.iter().find(|bound| !bound.is_finite()) {
            return Err(not_finite(metric.name, *bad));
        }
        if !point.bounds.is_sorted_by(|a, b| a < b) {
            return Err(malformed(format!("bounds of `{}` do not ascend", shown(metric.name))));
        }
        self.check_time(point.time)?;
        let series = self.series(source, metric, attributes)?;
        self.decoded.batch.histograms.push(HistogramPoint { series, ..point });
        Ok(())
    }

    /// Lets a log record in; `record.resource` and the instance attributes are set here.
    pub(crate) fn log(&mut self, source: &Source, mut record: LogRecord) -> Result<(), Refusal> {
        self.check_time(record.time)?;
        self.check_name("event name", &record.event_name)?;
        if record.body.len() > self.admission.limits.max_body_bytes {
            let (bytes, most) = (record.body.len(), self.admission.limits.max_body_bytes);
            return Err(too_long(format!("body has {bytes} bytes, at most {most} are taken")));
        }
        record.resource = source.index;
        complete(&mut record.attributes, &source.instance);
        self.check_attributes(&record.attributes, self.admission.limits.max_body_bytes)?;
        self.decoded.batch.logs.push(record);
        Ok(())
    }

    /// Lets a span in; `span.resource` and the instance attributes are set here.
    pub(crate) fn span(&mut self, source: &Source, mut span: Span) -> Result<(), Refusal> {
        self.check_time(span.start)?;
        self.check_time(span.end)?;
        if span.end < span.start {
            return Err(malformed(format!("span `{}` ends before it starts", shown(&span.name))));
        }
        self.check_name("span name", &span.name)?;
        span.resource = source.index;
        complete(&mut span.attributes, &source.instance);
        self.check_attributes(&span.attributes, self.admission.limits.max_body_bytes)?;
        self.decoded.batch.spans.push(span);
        Ok(())
    }

    /// Makes room for rows to come.
    pub(crate) fn reserve_logs(&mut self, rows: usize) {
        self.decoded.batch.logs.reserve(rows);
    }

    /// Makes room for rows to come.
    pub(crate) fn reserve_spans(&mut self, rows: usize) {
        self.decoded.batch.spans.reserve(rows);
    }

    fn series(
        &mut self,
        source: &Source,
        metric: Metric<'_>,
        mut attributes: Attributes,
    ) -> Result<u32, Refusal> {
        complete(&mut attributes, &source.instance);
        let resource = &self.decoded.batch.resources[source.index as usize].id;
        let id = series_id(resource, metric.name, &attributes);
        if let Some(&index) = self.series.get(&id) {
            return Ok(index);
        }
        if metric.name.is_empty() {
            return Err(Refusal::new(RejectReason::Missing, "metric has no name"));
        }
        self.check_name("metric name", metric.name)?;
        self.check_name("unit", metric.unit)?;
        self.check_attributes(&attributes, self.admission.limits.max_value_bytes)?;
        self.spend(id, metric.name)?;
        let index = self.decoded.batch.series.len() as u32;
        self.series.insert(id, index);
        self.decoded.batch.series.push(Series {
            id,
            resource: source.index,
            name: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            kind: metric.kind,
            attributes,
        });
        Ok(index)
    }

    fn spend(&self, id: SeriesId, name: &str) -> Result<(), Refusal> {
        let per_minute = self.admission.limits.max_new_series_per_minute;
        if self.share.admit(id, self.admission.now, per_minute) {
            return Ok(());
        }
        let detail =
            format!("`{}` would begin a series, but {per_minute} began in this minute already", shown(name));
        Err(Refusal::new(RejectReason::SeriesLimit, detail))
    }

    fn check_time(&self, time: Timestamp) -> Result<(), Refusal> {
        let Admission { now, limits, age, .. } = &self.admission;
        if time > *now + limits.max_ahead {
            let detail = format!("{time} is more than {} s ahead of {now}", limits.max_ahead.as_secs());
            return Err(Refusal::new(RejectReason::TooNew, detail));
        }
        if *age == Age::Limited && time < *now - limits.max_age {
            let detail =
                format!("{time} is more than {} days before {now}", limits.max_age.as_secs() / 86_400);
            return Err(Refusal::new(RejectReason::TooOld, detail));
        }
        Ok(())
    }

    fn check_name(&self, what: &str, name: &str) -> Result<(), Refusal> {
        let most = self.admission.limits.max_name_bytes;
        if name.len() <= most {
            return Ok(());
        }
        Err(too_long(format!("{what} `{}` has {} bytes, at most {most} are taken", shown(name), name.len())))
    }

    fn check_attributes(&self, attributes: &Attributes, max_value_bytes: usize) -> Result<(), Refusal> {
        let most = self.admission.limits.max_attributes;
        if attributes.len() > most {
            let count = attributes.len();
            return Err(too_long(format!("row has {count} attributes, at most {most} are taken")));
        }
        for (key, value) in attributes.iter() {
            self.check_name("attribute name", key)?;
            match value {
                AttributeValue::Str(text) if text.len() > max_value_bytes => {
                    let bytes = text.len();
                    return Err(too_long(format!(
                        "attribute `{}` has {bytes} bytes, at most {max_value_bytes} are taken",
                        shown(key)
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Intake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("rows", &self.decoded.batch.rows()).finish_non_exhaustive()
    }
}

/// Adds the attributes of the instance; what the row says itself stays.
fn complete(attributes: &mut Attributes, instance: &Attributes) {
    for (key, value) in instance.iter() {
        if attributes.get(key).is_none() {
            attributes.insert(key, value.clone());
        }
    }
}

pub(crate) fn malformed(detail: String) -> Refusal {
    Refusal::new(RejectReason::Malformed, detail)
}

fn too_long(detail: String) -> Refusal {
    Refusal::new(RejectReason::TooLong, detail)
}

fn not_finite(name: &str, value: f64) -> Refusal {
    Refusal::new(RejectReason::NotFinite, format!("`{}` is {value}", shown(name)))
}
