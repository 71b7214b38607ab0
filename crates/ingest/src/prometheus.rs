//! The Prometheus text formats: text 0.0.4 and OpenMetrics 1.0.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>. Names in quotes (UTF-8 names) are read too. Exemplars
//! and `_created` samples are left out. A line that does not parse is listed with its number; the others are kept.

mod histogram;
mod line;

use std::borrow::Cow;
use std::collections::HashMap;

use echobase_types::signal::MetricKind;
use echobase_types::{Attributes, Resource, Timestamp};

use crate::identity::{Identified, series_id};
use crate::intake::{Intake, Metric, Refusal, Source, malformed};
use crate::prometheus::histogram::{Histograms, Part};
use crate::prometheus::line::{Line, Sample};
use crate::{Admission, Decoded, Malformed, Position};

/// Which of the two text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4: time stamps in milliseconds, counters typed by their full name.
    Text,
    /// OpenMetrics 1.0: time stamps in seconds, `# EOF` at the end.
    OpenMetrics,
}

impl Format {
    /// The format that a `Content-Type` header names, or `None` where it names none of ours. Text has many names: no
    /// header at all, `text/plain`, and `application/octet-stream`, which is what servers of files say.
    pub fn of_content_type(header: &str) -> Option<Self> {
        let kind = header.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "" | "text/plain" | "application/octet-stream" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Who wins where a sample has a label that its target has too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelConflict {
    /// The target; the label of the sample is renamed to `exported_<label>`.
    #[default]
    TargetWins,
    /// The sample (`honor_labels`).
    SampleWins,
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The resource they speak about.
    pub resource: Resource,
    /// Labels that every sample gets, such as `job` and `instance`.
    pub labels: Attributes,
    /// Who wins on equal names.
    pub conflict: LabelConflict,
}

/// Reads an exposition. Samples without a time stamp are of `admission.now`.
///
/// The whole body is refused only where OpenMetrics does not end in `# EOF`: it was cut on the way.
pub fn decode(
    body: &[u8],
    format: Format,
    origin: &Origin,
    admission: &Admission<'_>,
) -> Result<Decoded, Malformed> {
    let mut intake = Intake::new(admission);
    let known = Identified { resource: origin.resource.clone(), instance: origin.labels.clone() };
    let source = match intake.source(known) {
        Ok(source) => source,
        Err(refusal) => {
            let rows = body.split(|b| *b == b'\n').filter(|l| l.first().is_some_and(|b| *b != b'#')).count();
            intake.refuse("target", &refusal, rows);
            return Ok(intake.finish());
        }
    };
    decode_into(&mut intake, &source, body, format, origin)?;
    Ok(intake.finish())
}

/// What an exposition held.
pub(crate) struct Held {
    /// How many samples.
    pub(crate) samples: u64,
    /// The first line that did not parse.
    pub(crate) fault: Option<Malformed>,
}

/// Reads an exposition into a batch that is being filled, and says what it held. After an error the batch holds part
/// of the body and must be dropped.
pub(crate) fn decode_into(
    intake: &mut Intake<'_>,
    source: &Source,
    body: &[u8],
    format: Format,
    origin: &Origin,
) -> Result<Held, Malformed> {
    let mut first_fault = None;
    let mut reader =
        Reader { origin, families: HashMap::new(), histograms: Histograms::default(), samples: 0 };
    let mut ended = false;
    let mut lines = 0;
    for (n, bytes) in body.split(|byte| *byte == b'\n').enumerate() {
        lines = n + 1;
        let parsed = match std::str::from_utf8(bytes) {
            Ok(text) => line::parse(text.strip_suffix('\r').unwrap_or(text), format),
            Err(error) => Err(line::Fault::new(error.valid_up_to(), "text is not UTF-8")),
        };
        let outcome = match parsed {
            Ok(Line::Blank) => continue,
            Ok(_) if ended => Err(malformed("line stands after # EOF".to_owned())),
            Ok(Line::End) => {
                ended = true;
                continue;
            }
            Ok(line) => reader.line(line, n + 1, intake, source),
            Err(fault) => {
                first_fault.get_or_insert_with(|| Malformed {
                    position: Position::Line { line: n + 1, column: fault.column },
                    detail: fault.detail.clone(),
                });
                Err(malformed(format!("column {}: {}", fault.column, fault.detail)))
            }
        };
        intake.row(format_args!("line {}", n + 1), outcome);
    }
    if format == Format::OpenMetrics && !ended {
        let column = body.rsplit(|byte| *byte == b'\n').next().map_or(1, |last| last.len() + 1);
        let position = Position::Line { line: lines, column };
        return Err(Malformed { position, detail: "body does not end in # EOF, so it was cut".to_owned() });
    }
    for (at, metric, attributes, outcome) in reader.histograms.finish() {
        let of = Metric { name: metric.0, unit: metric.1, kind: MetricKind::Histogram };
        let outcome = outcome.and_then(|point| intake.histogram(source, of, attributes, point));
        intake.row(format_args!("line {at}"), outcome);
    }
    Ok(Held { samples: reader.samples, fault: first_fault })
}

/// The first sample of that name, for telling what a target is.
pub(crate) fn find<'a>(
    body: &'a [u8],
    format: Format,
    name: &str,
) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
    body.split(|byte| *byte == b'\n').filter(|line| line.starts_with(name.as_bytes())).find_map(|line| {
        match line::parse(std::str::from_utf8(line).ok()?, format) {
            Ok(Line::Sample(sample)) if sample.name == name => Some(sample.labels),
            _ => None,
        }
    })
}

/// What `# TYPE` and `# UNIT` say of a family.
#[derive(Clone, Copy, Debug, Default)]
struct Family<'a> {
    word: &'a str,
    unit: &'a str,
}

struct Reader<'a> {
    origin: &'a Origin,
    families: HashMap<Cow<'a, str>, Family<'a>>,
    histograms: Histograms<'a>,
    samples: u64,
}

/// What a sample is within its family.
enum Role<'a> {
    Number(MetricKind, &'a str),
    Histogram { base: usize, part: Part, unit: &'a str, cumulative: bool },
    LeftOut,
}

impl<'a> Reader<'a> {
    fn line(
        &mut self,
        line: Line<'a>,
        at: usize,
        intake: &mut Intake<'_>,
        source: &Source,
    ) -> Result<(), Refusal> {
        match line {
            Line::Type { name, word } => self.families.entry(name).or_default().word = word,
            Line::Unit { name, unit } => self.families.entry(name).or_default().unit = unit,
            Line::Sample(sample) => return self.sample(sample, at, intake, source),
            Line::Comment | Line::Blank | Line::End => {}
        }
        Ok(())
    }

    fn sample(
        &mut self,
        sample: Sample<'a>,
        at: usize,
        intake: &mut Intake<'_>,
        source: &Source,
    ) -> Result<(), Refusal> {
        self.samples += 1;
        let time = sample.time.unwrap_or(intake.now());
        match self.role(&sample.name) {
            Role::LeftOut => Ok(()),
            Role::Number(kind, unit) => {
                let attributes = self.attributes(sample.labels);
                let metric = Metric { name: &sample.name, unit, kind };
                intake.point(source, metric, attributes, time, sample.value)
            }
            Role::Histogram { base, part, unit, cumulative } => {
                let (mut labels, mut bound) = (sample.labels, None);
                if part == Part::Bucket {
                    let Some(le) = labels.iter().position(|(name, _)| name == "le") else {
                        return Err(malformed("bucket has no label le".to_owned()));
                    };
                    let text = labels.swap_remove(le).1;
                    bound = text.parse().ok().filter(|bound: &f64| !bound.is_nan());
                    if bound.is_none() {
                        return Err(malformed(format!("label le is `{text}`, which is no number")));
                    }
                }
                let name = match sample.name {
                    Cow::Borrowed(name) => Cow::Borrowed(&name[..base]),
                    Cow::Owned(name) => Cow::Owned(name[..base].to_owned()),
                };
                let attributes = self.attributes(labels);
                let key = (series_id(&self.origin.resource.id, &name, &attributes), time);
                let histogram = self.histograms.entry(key, || histogram::Partial {
                    at,
                    name,
                    unit,
                    attributes,
                    time,
                    cumulative,
                    buckets: Vec::new(),
                    sum: None,
                    count: None,
                });
                histogram.add(part, bound, sample.value);
                Ok(())
            }
        }
    }

    fn role(&self, name: &str) -> Role<'a> {
        if let Some(family) = self.families.get(name) {
            return match family.word {
                "counter" => Role::Number(MetricKind::Counter, family.unit),
                _ => Role::Number(MetricKind::Gauge, family.unit),
            };
        }
        for suffix in ["_total", "_bucket", "_count", "_sum", "_created", "_gcount", "_gsum"] {
            let Some(base) = name.strip_suffix(suffix) else { continue };
            let Some(family) = self.families.get(base) else { break };
            let unit = family.unit;
            let part = match (family.word, suffix) {
                ("counter", "_total") => return Role::Number(MetricKind::Counter, unit),
                ("counter" | "histogram" | "summary" | "gaugehistogram", "_created") => return Role::LeftOut,
                ("summary", "_count") => return Role::Number(MetricKind::Counter, ""),
                ("summary", "_sum") => return Role::Number(MetricKind::Counter, unit),
                ("histogram" | "gaugehistogram", "_bucket") => Part::Bucket,
                ("histogram", "_count") | ("gaugehistogram", "_gcount") => Part::Count,
                ("histogram", "_sum") | ("gaugehistogram", "_gsum") => Part::Sum,
                _ => break,
            };
            return Role::Histogram { base: base.len(), part, unit, cumulative: family.word == "histogram" };
        }
        let kind = if name.ends_with("_total") { MetricKind::Counter } else { MetricKind::Gauge };
        Role::Number(kind, "")
    }

    /// Labels as attributes; an empty label is as good as none.
    fn attributes(&self, labels: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Attributes {
        let ours = &self.origin.labels;
        let takes_over =
            |name: &str| self.origin.conflict == LabelConflict::TargetWins && ours.get(name).is_some();
        labels
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| match takes_over(&name) {
                true => (format!("exported_{name}"), value.into_owned()),
                false => (name.into_owned(), value.into_owned()),
            })
            .collect()
    }
}

/// Milliseconds or seconds, by the format, to a time; `None` where it is out of range.
fn time_of(text: &str, format: Format) -> Option<Timestamp> {
    match format {
        Format::Text => text.parse().ok().map(Timestamp::from_millis),
        Format::OpenMetrics => {
            let seconds: f64 = text.parse().ok()?;
            let micros = seconds * 1e6;
            (micros.abs() < 9e18).then_some(Timestamp::from_micros(micros.round() as i64))
        }
    }
}

#[cfg(test)]
mod tests;
