//! Rows as bytes: the payload of a log frame, format 1. Whole numbers are LEB128, texts carry their length,
//! times are differences from the row before. A frame says everything that a reader needs besides the series
//! that earlier frames or files describe.

use echobase_types::signal::{LogRecord, MetricKind, Span, SpanKind, SpanStatus};
use echobase_types::{Attributes, ResourceId, ResourceKind, Timestamp};

use crate::rows::{AssessmentRow, HistogramRow, LogRow, ResourceRow, Rows, Seen, SeriesRow, SpanRow};

/// The bytes are not rows of this format, although their checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log payload breaks off or holds an unknown word at byte {0}")]
pub(crate) struct DecodeError(usize);

const METRIC_KINDS: [MetricKind; 5] = [
    MetricKind::Gauge,
    MetricKind::Counter,
    MetricKind::Delta,
    MetricKind::UpDownCounter,
    MetricKind::Histogram,
];
const SPAN_KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];
const SPAN_STATUSES: [SpanStatus; 3] = [SpanStatus::Unset, SpanStatus::Ok, SpanStatus::Error];

/// Writes `rows`.
pub(crate) fn encode(rows: &Rows) -> Vec<u8> {
    let texts: usize =
        rows.logs.iter().map(|l| l.record.body.len() + l.attributes.len() + 120).sum::<usize>()
            + rows.spans.iter().map(|s| s.span.name.len() + s.attributes.len() + 120).sum::<usize>()
            + rows.assessments.iter().map(|a| a.body.len() + 160).sum::<usize>();
    let mut w =
        Writer(Vec::with_capacity(256 + rows.point_time.len() * 14 + rows.series.len() * 256 + texts));
    w.count(rows.resources.len());
    for r in &rows.resources {
        w.text(r.id.as_str());
        w.word(&ResourceKind::ALL, r.kind);
        w.text(&r.name);
        w.text(&r.attributes);
    }
    w.count(rows.resources_seen.len());
    for r in &rows.resources_seen {
        w.text(r.id.as_str());
        w.fixed(r.first as u64);
        w.fixed(r.last as u64);
    }
    w.count(rows.series.len());
    for s in &rows.series {
        w.fixed(s.id);
        w.text(s.resource.as_str());
        w.text(&s.metric);
        w.text(&s.unit);
        w.word(&METRIC_KINDS, s.kind);
        w.text(&s.attributes);
    }
    w.count(rows.series_seen.len());
    for s in &rows.series_seen {
        w.fixed(s.id);
        w.fixed(s.first as u64);
        w.fixed(s.last as u64);
    }
    w.count(rows.point_time.len());
    let mut before = 0;
    for series in &rows.point_series {
        w.difference(i64::from(*series), &mut before);
    }
    w.times(rows.point_time.iter().copied());
    for value in &rows.point_value {
        w.fixed(value.to_bits());
    }
    w.count(rows.histograms.len());
    for h in &rows.histograms {
        w.whole(u64::from(h.series));
        w.fixed(h.time as u64);
        w.0.push(u8::from(h.cumulative));
        w.whole(h.count);
        w.fixed(h.sum.to_bits());
        w.count(h.bounds.len());
        h.bounds.iter().for_each(|b| w.fixed(b.to_bits()));
        w.count(h.counts.len());
        h.counts.iter().for_each(|c| w.whole(*c));
    }
    w.count(rows.logs.len());
    w.times(rows.logs.iter().map(|l| l.record.time.as_micros()));
    for LogRow { record: l, attributes } in &rows.logs {
        w.whole(u64::from(l.resource));
        w.0.push(l.severity);
        for text in [&l.event_name, &l.body, &l.trace_id, &l.span_id, attributes] {
            w.text(text);
        }
    }
    w.count(rows.spans.len());
    w.times(rows.spans.iter().map(|s| s.span.start.as_micros()));
    for SpanRow { span: s, attributes } in &rows.spans {
        w.whole(u64::from(s.resource));
        w.whole(s.end.since(s.start).as_micros() as u64);
        w.word(&SPAN_KINDS, s.kind);
        w.word(&SPAN_STATUSES, s.status);
        for text in [&s.trace_id, &s.span_id, &s.parent_span_id, &s.name, &s.status_message, attributes] {
            w.text(text);
        }
    }
    w.count(rows.assessments.len());
    for a in &rows.assessments {
        w.text(a.resource_id.as_str());
        w.fixed(a.at.as_micros() as u64);
        for score in [a.resource_score, a.error_score, a.performance_score, a.dependency_score] {
            w.0.push(u8::from(score.is_some()));
            w.fixed(score.unwrap_or_default().to_bits());
        }
        for value in
            [a.score, a.resource_weight, a.error_weight, a.performance_weight, a.dependency_weight, a.risk]
        {
            w.fixed(value.to_bits());
        }
        w.text(&a.body);
    }
    w.0
}

/// Reads what `encode` wrote. Every index is in range afterwards.
pub(crate) fn decode(bytes: &[u8]) -> Result<Rows, DecodeError> {
    let mut r = Reader { all: bytes, at: 0 };
    let mut rows = Rows::default();
    for _ in 0..r.count()? {
        let id = r.resource()?;
        let kind = r.word(&ResourceKind::ALL)?;
        rows.resources.push(ResourceRow { id, kind, name: r.text()?, attributes: r.text()? });
    }
    for _ in 0..r.count()? {
        rows.resources_seen.push(Seen {
            id: r.resource()?,
            first: r.fixed()? as i64,
            last: r.fixed()? as i64,
        });
    }
    for _ in 0..r.count()? {
        rows.series.push(SeriesRow {
            id: r.fixed()?,
            resource: r.resource()?,
            metric: r.text()?,
            unit: r.text()?,
            kind: r.word(&METRIC_KINDS)?,
            attributes: r.text()?,
        });
    }
    for _ in 0..r.count()? {
        rows.series_seen.push(Seen { id: r.fixed()?, first: r.fixed()? as i64, last: r.fixed()? as i64 });
    }
    let points = r.count()?;
    let mut before = 0;
    for _ in 0..points {
        let series = r.difference(&mut before)?;
        rows.point_series.push(r.index(series as u64, rows.series_seen.len())?);
    }
    rows.point_time = r.times(points)?;
    for _ in 0..points {
        rows.point_value.push(f64::from_bits(r.fixed()?));
    }
    for _ in 0..r.count()? {
        let series = r.whole()?;
        rows.histograms.push(HistogramRow {
            series: r.index(series, rows.series_seen.len())?,
            time: r.fixed()? as i64,
            cumulative: r.byte()? != 0,
            count: r.whole()?,
            sum: f64::from_bits(r.fixed()?),
            bounds: (0..r.count()?).map(|_| r.fixed().map(f64::from_bits)).collect::<Result<_, _>>()?,
            counts: (0..r.count()?).map(|_| r.whole()).collect::<Result<_, _>>()?,
        });
    }
    let logs = r.count()?;
    for time in r.times(logs)? {
        let resource = r.whole()?;
        let record = LogRecord {
            resource: r.index(resource, rows.resources_seen.len())?,
            time: Timestamp::from_micros(time),
            severity: r.byte()?,
            event_name: r.text()?,
            body: r.text()?,
            trace_id: r.text()?,
            span_id: r.text()?,
            attributes: Attributes::new(),
        };
        rows.logs.push(LogRow { record, attributes: r.text()? });
    }
    let spans = r.count()?;
    for time in r.times(spans)? {
        let resource = r.whole()?;
        let resource = r.index(resource, rows.resources_seen.len())?;
        let length = r.whole()?;
        let (kind, status) = (r.word(&SPAN_KINDS)?, r.word(&SPAN_STATUSES)?);
        let start = Timestamp::from_micros(time);
        let span = Span {
            resource,
            trace_id: r.text()?,
            span_id: r.text()?,
            parent_span_id: r.text()?,
            name: r.text()?,
            kind,
            start,
            end: start + std::time::Duration::from_micros(length),
            status,
            status_message: r.text()?,
            attributes: Attributes::new(),
        };
        rows.spans.push(SpanRow { span, attributes: r.text()? });
    }
    for _ in 0..r.count()? {
        let (resource_id, at) = (r.resource()?, Timestamp::from_micros(r.fixed()? as i64));
        let mut scores = [None; 4];
        for score in &mut scores {
            let some = r.byte()? != 0;
            let value = f64::from_bits(r.fixed()?);
            *score = some.then_some(value);
        }
        let mut values = [0.0; 6];
        for value in &mut values {
            *value = f64::from_bits(r.fixed()?);
        }
        let [resource_score, error_score, performance_score, dependency_score] = scores;
        let [score, resource_weight, error_weight, performance_weight, dependency_weight, risk] = values;
        rows.assessments.push(AssessmentRow {
            resource_id,
            at,
            score,
            resource_score,
            error_score,
            performance_score,
            dependency_score,
            resource_weight,
            error_weight,
            performance_weight,
            dependency_weight,
            risk,
            body: r.text()?,
        });
    }
    if r.at == bytes.len() { Ok(rows) } else { Err(DecodeError(r.at)) }
}

struct Writer(Vec<u8>);

impl Writer {
    fn whole(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn count(&mut self, n: usize) {
        self.whole(n as u64);
    }

    fn fixed(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn word<T: PartialEq>(&mut self, words: &[T], word: T) {
        let at = words.iter().position(|w| *w == word).unwrap_or_default();
        self.0.push(at as u8);
    }

    fn difference(&mut self, value: i64, before: &mut i64) {
        let step = value.wrapping_sub(*before);
        *before = value;
        self.whole(((step << 1) ^ (step >> 63)) as u64);
    }

    fn times(&mut self, times: impl Iterator<Item = i64>) {
        let mut before = 0;
        times.for_each(|time| self.difference(time, &mut before));
    }
}

struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n).ok_or(DecodeError(self.at))?;
        let found = self.all.get(self.at..end).ok_or(DecodeError(self.at))?;
        self.at = end;
        Ok(found)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let at = self.at;
        self.bytes(1)?.first().copied().ok_or(DecodeError(at))
    }

    fn fixed(&mut self) -> Result<u64, DecodeError> {
        let at = self.at;
        self.bytes(8)?.try_into().map(u64::from_le_bytes).map_err(|_| DecodeError(at))
    }

    fn whole(&mut self) -> Result<u64, DecodeError> {
        let (at, mut value) = (self.at, 0_u64);
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError(at))
    }

    /// A number of things that each take at least a byte, so that a wrong one cannot ask for much memory.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let at = self.at;
        let n = self.whole()?;
        match usize::try_from(n) {
            Ok(n) if n <= self.all.len() - self.at => Ok(n),
            _ => Err(DecodeError(at)),
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let at = self.at;
        let n = self.count()?;
        String::from_utf8(self.bytes(n)?.to_vec()).map_err(|_| DecodeError(at))
    }

    fn resource(&mut self) -> Result<ResourceId, DecodeError> {
        let at = self.at;
        ResourceId::new(&self.text()?).map_err(|_| DecodeError(at))
    }

    fn word<T: Copy>(&mut self, words: &[T]) -> Result<T, DecodeError> {
        let at = self.at;
        words.get(usize::from(self.byte()?)).copied().ok_or(DecodeError(at))
    }

    fn index(&self, value: u64, of: usize) -> Result<u32, DecodeError> {
        u32::try_from(value).ok().filter(|v| (*v as usize) < of).ok_or(DecodeError(self.at))
    }

    fn difference(&mut self, before: &mut i64) -> Result<i64, DecodeError> {
        let raw = self.whole()?;
        let step = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        *before = before.wrapping_add(step);
        Ok(*before)
    }

    fn times(&mut self, n: usize) -> Result<Vec<i64>, DecodeError> {
        let mut before = 0;
        (0..n).map(|_| self.difference(&mut before)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rows_come_back_and_every_cut_is_noticed(seed in any::<u64>(), cut in any::<prop::sample::Index>()) {
            let rows = Rows::of_batch(testing::batch(seed), testing::nothing_known);
            let rows = Rows { assessments: testing::assessments(seed), ..rows };
            let bytes = encode(&rows);
            prop_assert_eq!(&decode(&bytes).unwrap(), &rows);
            prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_fall(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _either = decode(&bytes);
        }
    }
}
