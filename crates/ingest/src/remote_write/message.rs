//! The two messages of remote write, as one form that borrows from the body.

use echobase_types::signal::MetricKind;

use crate::Malformed;
use crate::wire::{Slice, Value, fault, unfolded};

/// A request of either version.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) series: Vec<Series<'a>>,
    /// What 1.0 says of families, by name.
    pub(super) metadata: Vec<(&'a str, Metadata<'a>)>,
}

/// A series with its samples.
#[derive(Debug, Default)]
pub(super) struct Series<'a> {
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) samples: Vec<Sample>,
    pub(super) histograms: Vec<Histogram>,
    /// What 2.0 says of it.
    pub(super) metadata: Option<Metadata<'a>>,
}

/// A value and its time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) value: f64,
    pub(super) time_ms: i64,
}

/// What is said of a metric. `Histogram` stands for its family, whose parts are counters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Metadata<'a> {
    pub(super) kind: MetricKind,
    pub(super) unit: &'a str,
}

/// A native histogram.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    /// Whether counts are fractions, as rules compute them.
    pub(super) is_float: bool,
    pub(super) sum: f64,
    pub(super) schema: i64,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    pub(super) negative: Buckets,
    pub(super) positive: Buckets,
    pub(super) is_gauge: bool,
    pub(super) time_ms: i64,
    pub(super) bounds: Vec<f64>,
}

/// Runs of buckets: gap to the one before and length, and how each count differs from the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets {
    pub(super) spans: Vec<(i64, u64)>,
    pub(super) deltas: Vec<i64>,
}

/// `prometheus.WriteRequest`.
pub(super) fn one(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let mut request = Request::default();
    for field in Slice::body(body).fields() {
        match field? {
            (1, Value::Bytes(series)) => {
                let mut all = Series::default();
                for field in series.fields() {
                    match field? {
                        (1, Value::Bytes(label)) => all.labels.push(label_of(label)?),
                        (2, Value::Bytes(of)) => all.samples.push(sample(of)?),
                        (4, Value::Bytes(of)) => all.histograms.push(histogram(of)?),
                        _ => {}
                    }
                }
                request.series.push(all);
            }
            (3, Value::Bytes(metadata)) => {
                let (mut kind, mut family, mut unit) = (None, "", "");
                for field in metadata.fields() {
                    match field? {
                        (1, Value::Varint(word)) => kind = kind_of(word),
                        (2, Value::Bytes(text)) => family = text.text()?,
                        (5, Value::Bytes(text)) => unit = text.text()?,
                        _ => {}
                    }
                }
                request.metadata.extend(kind.map(|kind| (family, Metadata { kind, unit })));
            }
            _ => {}
        }
    }
    Ok(request)
}

/// `io.prometheus.write.v2.Request`.
pub(super) fn two(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let mut symbols: Vec<&str> = Vec::new();
    // Fields may come in any order: the texts are needed first.
    for field in Slice::body(body).fields() {
        if let (4, Value::Bytes(symbol)) = field? {
            symbols.push(symbol.text()?);
        }
    }
    let text = |at: usize, reference: u64| {
        let found = usize::try_from(reference).ok().and_then(|n| symbols.get(n).copied());
        found.ok_or_else(|| fault(at, "a symbol is referred to that the request does not have"))
    };
    let mut request = Request::default();
    for field in Slice::body(body).fields() {
        let (5, Value::Bytes(series)) = field? else { continue };
        let mut all = Series::default();
        let mut references: Vec<u64> = Vec::new();
        for field in series.fields() {
            match field? {
                (1, Value::Bytes(packed)) => {
                    for reference in packed.varints() {
                        references.push(reference?);
                    }
                }
                (1, Value::Varint(reference)) => references.push(reference),
                (2, Value::Bytes(of)) => all.samples.push(sample(of)?),
                (3, Value::Bytes(of)) => all.histograms.push(histogram(of)?),
                (5, Value::Bytes(metadata)) => {
                    let (mut kind, mut unit) = (None, "");
                    for field in metadata.fields() {
                        match field? {
                            (1, Value::Varint(word)) => kind = kind_of(word),
                            (4, Value::Varint(reference)) => unit = text(metadata.at, reference)?,
                            _ => {}
                        }
                    }
                    all.metadata = kind.map(|kind| Metadata { kind, unit });
                }
                _ => {}
            }
        }
        let (pairs, odd) = references.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(fault(series.at, "a series has a label without a value"));
        }
        for [label, value] in pairs {
            all.labels.push((text(series.at, *label)?, text(series.at, *value)?));
        }
        request.series.push(all);
    }
    Ok(request)
}

/// The kind of a type of metadata; both versions number them alike.
fn kind_of(word: u64) -> Option<MetricKind> {
    match word {
        1 => Some(MetricKind::Counter),
        // Information and sets of states are gauges of 0 and 1.
        2 | 6 | 7 => Some(MetricKind::Gauge),
        3..=5 => Some(MetricKind::Histogram),
        _ => None,
    }
}

fn label_of(label: Slice<'_>) -> Result<(&str, &str), Malformed> {
    let mut all = ("", "");
    for field in label.fields() {
        match field? {
            (1, Value::Bytes(text)) => all.0 = text.text()?,
            (2, Value::Bytes(text)) => all.1 = text.text()?,
            _ => {}
        }
    }
    Ok(all)
}

fn sample(of: Slice<'_>) -> Result<Sample, Malformed> {
    let mut all = Sample::default();
    for field in of.fields() {
        match field? {
            (1, Value::Fixed64(bits)) => all.value = f64::from_bits(bits),
            (2, Value::Varint(time)) => all.time_ms = time as i64,
            _ => {}
        }
    }
    Ok(all)
}

fn histogram(of: Slice<'_>) -> Result<Histogram, Malformed> {
    const GAUGE: u64 = 3;
    let mut all = Histogram::default();
    for field in of.fields() {
        match field? {
            (1, Value::Varint(count)) => all.count = count,
            (2 | 7, Value::Fixed64(_)) | (10 | 13, _) => all.is_float = true,
            (3, Value::Fixed64(bits)) => all.sum = f64::from_bits(bits),
            (4, Value::Varint(schema)) => all.schema = unfolded(schema),
            (5, Value::Fixed64(bits)) => all.zero_threshold = f64::from_bits(bits),
            (6, Value::Varint(count)) => all.zero_count = count,
            (8, Value::Bytes(of)) => all.negative.spans.push(span(of)?),
            (9, deltas) => all.negative.take(deltas)?,
            (11, Value::Bytes(of)) => all.positive.spans.push(span(of)?),
            (12, deltas) => all.positive.take(deltas)?,
            (14, Value::Varint(hint)) => all.is_gauge = hint == GAUGE,
            (15, Value::Varint(time)) => all.time_ms = time as i64,
            (16, Value::Bytes(packed)) => all.bounds.extend(packed.doubles()?),
            (16, Value::Fixed64(bits)) => all.bounds.push(f64::from_bits(bits)),
            _ => {}
        }
    }
    Ok(all)
}

impl Buckets {
    fn take(&mut self, deltas: Value<'_>) -> Result<(), Malformed> {
        match deltas {
            Value::Bytes(packed) => {
                for delta in packed.varints() {
                    self.deltas.push(unfolded(delta?));
                }
            }
            Value::Varint(delta) => self.deltas.push(unfolded(delta)),
            Value::Fixed32(_) | Value::Fixed64(_) => {}
        }
        Ok(())
    }
}

fn span(of: Slice<'_>) -> Result<(i64, u64), Malformed> {
    let (mut offset, mut length) = (0, 0);
    for field in of.fields() {
        match field? {
            (1, Value::Varint(folded)) => offset = unfolded(folded),
            (2, Value::Varint(count)) => length = count,
            _ => {}
        }
    }
    Ok((offset, length))
}
