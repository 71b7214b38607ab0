//! Prometheus remote write, 1.0 and 2.0: `POST /api/v1/write`.
//!
//! Protocol: <https://prometheus.io/docs/specs/prw/remote_write_spec/> and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>. The body is read in place ([`wire`](crate::wire)).
//!
//! | remote write | here |
//! |---|---|
//! | series | metric `__name__` with its other labels as attributes; the resource by [`identity::of_labels`] |
//! | kind | what metadata of the same request says, else by the name: `_total`, `_bucket`, `_count`, `_sum` are counters, the others gauges |
//! | sample | point |
//! | stale marker | left out: a series that ends is told by its silence |
//! | native histogram of whole counts | histogram with explicit bounds; of fine scales neighbours are merged |
//! | native histogram of fractions | refused as `unsupported`: it is computed, not measured |
//! | exemplar, help text | left out |

mod histogram;
mod message;

use std::collections::HashMap;
use std::fmt::{self, Display};

use echobase_types::signal::{MetricKind, RejectReason};
use echobase_types::{Attributes, Timestamp};

use crate::identity::of_labels;
use crate::intake::{Intake, Metric, Refusal, Source, malformed, shown};
use crate::remote_write::message::{Metadata, Request, Series};
use crate::{Admission, Decoded, Malformed};

/// The payload of the value NaN that says: the series ended (`value.StaleNaN` of the reference implementation).
const STALE: u64 = 0x7ff0_0000_0000_0002;
/// The label that holds the name of the metric.
const NAME: &str = "__name__";

/// Which of the two messages a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    One,
    /// `io.prometheus.write.v2.Request`: texts once, as symbols.
    Two,
}

impl Version {
    /// The message that a `Content-Type` header names: `application/x-protobuf`, of 1.0 if it names none. `None` where it is
    /// neither.
    pub fn of_content_type(header: &str) -> Option<Self> {
        let mut parts = header.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
            return None;
        }
        let named = parts.find_map(|part| part.strip_prefix("proto="));
        match named.map(|name| name.trim_matches('"')) {
            None | Some("prometheus.WriteRequest") => Some(Self::One),
            Some("io.prometheus.write.v2.Request") => Some(Self::Two),
            Some(_) => None,
        }
    }
}

/// How much of a body was taken, as the answer to 2.0 says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Samples, stale markers among them.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
}

/// Reads an uncompressed body. A sample that is refused is listed as `timeseries[<n>].samples[<n>]`, and its neighbours are
/// kept.
pub fn decode(
    version: Version,
    body: &[u8],
    admission: &Admission<'_>,
) -> Result<(Decoded, Taken), Malformed> {
    let request = match version {
        Version::One => message::one(body)?,
        Version::Two => message::two(body)?,
    };
    let mut reader =
        Reader { intake: Intake::new(admission), families: families(&request), taken: Taken::default() };
    for (n, series) in request.series.iter().enumerate() {
        reader.series(n, series);
    }
    Ok((reader.intake.finish(), reader.taken))
}

/// What metadata of the request says of families.
fn families<'a>(request: &Request<'a>) -> HashMap<&'a str, Metadata<'a>> {
    request.metadata.iter().map(|(family, said)| (*family, *said)).collect()
}

/// Where a sample stands.
struct At(usize, &'static str, usize);

impl Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeseries[{}].{}[{}]", self.0, self.1, self.2)
    }
}

struct Reader<'b, 'a> {
    intake: Intake<'b>,
    families: HashMap<&'a str, Metadata<'a>>,
    taken: Taken,
}

impl<'a> Reader<'_, 'a> {
    fn series(&mut self, n: usize, series: &Series<'a>) {
        let rows = series.samples.len() + series.histograms.len();
        let begun = self.begin(series);
        let (source, name, attributes) = match &begun {
            Ok(begun) => (&begun.0, begun.1, &begun.2),
            Err(refusal) => return self.intake.refuse(format_args!("timeseries[{n}]"), refusal, rows),
        };
        let Metadata { kind, unit } = self.metadata(name, series.metadata);
        let mut known: Option<u32> = None;
        for (i, sample) in series.samples.iter().enumerate() {
            if sample.value.to_bits() == STALE {
                self.taken.samples += 1;
                continue;
            }
            let time = Timestamp::from_millis(sample.time_ms);
            let outcome = self.intake.check_value(name, time, sample.value).and_then(|()| match known {
                Some(series) => Ok(series),
                None => self.intake.column(source, Metric { name, unit, kind }, attributes.clone()),
            });
            match outcome {
                Ok(series) => {
                    known = Some(series);
                    self.intake.value(series, time, sample.value);
                    self.taken.samples += 1;
                }
                Err(refusal) => self.intake.refuse(At(n, "samples", i), &refusal, 1),
            }
        }
        for (i, histogram) in series.histograms.iter().enumerate() {
            if histogram.sum.to_bits() == STALE {
                self.taken.histograms += 1;
                continue;
            }
            let metric = Metric { name, unit, kind: MetricKind::Histogram };
            let outcome = histogram::explicit(histogram)
                .and_then(|point| self.intake.histogram(source, metric, attributes.clone(), point));
            self.taken.histograms += u64::from(outcome.is_ok());
            self.intake.row(At(n, "histograms", i), outcome);
        }
    }

    /// The resource, the name and the attributes of a series.
    fn begin(&mut self, series: &Series<'a>) -> Result<(Source, &'a str, Attributes), Refusal> {
        if let Some(label) = twice(&series.labels) {
            return Err(malformed(format!("label `{}` stands twice", shown(label))));
        }
        let label =
            |wanted: &str| series.labels.iter().find(|(label, _)| *label == wanted).map(|(_, value)| *value);
        let Some(name) = label(NAME).filter(|name| !name.is_empty()) else {
            return Err(Refusal::new(RejectReason::Missing, "series has no label __name__"));
        };
        let known = of_labels(name, label);
        let source = self.intake.source(known)?;
        let kept = |label: &str, value: &str| {
            label != NAME && !value.is_empty() && !label.starts_with("echobase_resource_")
        };
        let labels = series.labels.iter().filter(|(label, value)| kept(label, value));
        Ok((source, name, labels.copied().collect()))
    }

    fn metadata(&self, name: &str, own: Option<Metadata<'a>>) -> Metadata<'a> {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let said =
            own.or_else(|| self.families.get(name).copied()).or_else(|| self.families.get(base?).copied());
        let counts = base.is_some() || name.ends_with("_total");
        let by_name = if counts { MetricKind::Counter } else { MetricKind::Gauge };
        let unit = said.map_or("", |said| said.unit);
        // The parts of a histogram and of a summary count; only their family is a distribution.
        let kind = match said.map(|said| said.kind) {
            None | Some(MetricKind::Histogram) => by_name,
            Some(kind) => kind,
        };
        Metadata { kind, unit: if name.ends_with("_bucket") || name.ends_with("_count") { "" } else { unit } }
    }
}

/// A label that stands twice. Senders must sort them; those that do not are taken all the same.
fn twice<'a>(labels: &[(&'a str, &'a str)]) -> Option<&'a str> {
    if labels.is_sorted_by(|a, b| a.0 < b.0) {
        return None;
    }
    let mut names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests;
