//! Seconds: for how long a vital sign or a metric kept within its bound.

use std::collections::HashMap;

use echobase_types::assessment::Vital;
use echobase_types::signal::{HistogramPoint, MetricKind, Series, SignalBatch};
use echobase_types::slo::{Bound, Sli};
use echobase_types::{SeriesId, Timestamp};

use super::{Count, GAP, Row, RowKind, spread};
use crate::counter::{Counter, Increase};
use crate::source::{Emptiness, Source};
use crate::vital::{Mapped, Reading, Vitals};

/// What a series is read as, as far as it makes the vital sign.
pub(super) fn sources(vital: Vital, vitals: &Vitals, series: &Series) -> Vec<Mapped> {
    let makes = |m: &Mapped| {
        m.vital == vital
            || (vital == Vital::ErrorRatio
                && m.vital == Vital::RequestRate
                && matches!(m.reading, Reading::Requests | Reading::Failures))
            || (vital == Vital::LatencyP50 && m.vital == Vital::LatencyP99 && m.reading == Reading::Duration)
    };
    vitals.map(series).into_iter().filter(makes).collect()
}

/// One figure, with the time of its last value.
#[derive(Debug)]
struct Figure {
    /// Family and instance.
    key: (String, String),
    source: Source,
    last: Option<Timestamp>,
}

/// A metric that is judged as it is.
#[derive(Debug, Default)]
struct Plain {
    counter: Counter,
    sum: Counter,
    last: Option<Timestamp>,
}

#[derive(Debug)]
enum Part {
    /// Nothing here.
    Other,
    /// Parts of figures: which, and its place within.
    Vital(Vec<(usize, usize)>),
    Plain(Plain),
}

/// A series, with the time of its newest row.
#[derive(Debug)]
struct Known {
    seen: Timestamp,
    part: Part,
}

/// The values of one resource.
#[derive(Debug, Default)]
pub(super) struct Values {
    parts: HashMap<SeriesId, Known>,
    /// `None` where a figure lost its last series: a place for the next one.
    figures: Vec<Option<Figure>>,
    moment: Option<Timestamp>,
    is_used: bool,
    last: Timestamp,
}

impl Values {
    /// Whether it has anything to count.
    pub(super) fn take(
        &mut self,
        sli: &Sli,
        vitals: &Vitals,
        batch: &SignalBatch,
        rows: &[Row],
        emit: &mut dyn FnMut(Count),
    ) -> bool {
        for row in rows {
            let index = row.index as usize;
            let (series, histogram, value) = match row.kind {
                RowKind::Point => match batch.points.get(index) {
                    Some(point) => (point.series, None, point.value),
                    None => continue,
                },
                RowKind::Histogram => match batch.histograms.get(index) {
                    Some(point) => (point.series, Some(point), 0.0),
                    None => continue,
                },
                RowKind::Span => continue,
            };
            let Some(series) = batch.series.get(series as usize) else { continue };
            if self.moment.is_some_and(|moment| row.time > moment) {
                self.flush(sli, emit);
            }
            self.one(sli, vitals, series, row.time, histogram, value, emit);
        }
        self.flush(sli, emit);
        self.is_used
    }

    fn one(
        &mut self,
        sli: &Sli,
        vitals: &Vitals,
        series: &Series,
        time: Timestamp,
        histogram: Option<&HistogramPoint>,
        value: f64,
        emit: &mut dyn FnMut(Count),
    ) {
        if !self.parts.contains_key(&series.id) {
            let part = self.place(sli, vitals, series);
            self.is_used |= !matches!(part, Part::Other);
            self.parts.insert(series.id, Known { seen: time, part });
        }
        let Some(known) = self.parts.get_mut(&series.id) else { return };
        known.seen = known.seen.max(time);
        match &mut known.part {
            Part::Vital(places) => {
                for (figure, within) in places {
                    let Some(Some(figure)) = self.figures.get_mut(*figure) else { continue };
                    match histogram {
                        Some(point) => figure.source.take_histogram(*within, point),
                        None => figure.source.take(*within, series.kind, value, time),
                    }
                }
                self.moment = Some(time);
                self.last = self.last.max(time);
            }
            Part::Plain(plain) => {
                self.last = self.last.max(time);
                let Sli::Metric { bound, .. } = sli else { return };
                let Some(value) = plain.value(series.kind, time, histogram, value) else { return };
                judge(*bound, &mut plain.last, time, value, emit);
            }
            Part::Other => {}
        }
    }

    fn place(&mut self, sli: &Sli, vitals: &Vitals, series: &Series) -> Part {
        match sli {
            Sli::Metric { name, .. } if series.name == *name => Part::Plain(Plain::default()),
            Sli::Vital { vital, .. } => {
                let mapped = sources(*vital, vitals, series);
                let places: Vec<_> = mapped.iter().map(|m| self.join(series.id, m)).collect();
                if places.is_empty() { Part::Other } else { Part::Vital(places) }
            }
            _ => Part::Other,
        }
    }

    fn join(&mut self, series: SeriesId, mapped: &Mapped) -> (usize, usize) {
        let key = (mapped.family.clone(), mapped.instance.clone());
        let is_it = |figure: &Option<Figure>| figure.as_ref().is_some_and(|f| f.key == key);
        let at = match self.figures.iter().position(is_it) {
            Some(at) => at,
            None => {
                let free = self.figures.iter().position(Option::is_none).unwrap_or(self.figures.len());
                if free == self.figures.len() {
                    self.figures.push(None);
                }
                free
            }
        };
        let figure =
            self.figures[at].get_or_insert_with(|| Figure { key, source: Source::new(mapped), last: None });
        (at, figure.source.join(series, mapped))
    }

    /// Evaluates what came at one moment.
    fn flush(&mut self, sli: &Sli, emit: &mut dyn FnMut(Count)) {
        self.moment = None;
        let Sli::Vital { vital, bound } = sli else { return };
        for figure in self.figures.iter_mut().flatten().filter(|figure| figure.source.dirty().is_some()) {
            let Some((time, said)) = figure.source.flush(None) else { continue };
            let value = said.into_iter().flatten().find(|said| said.vital == *vital).map(|said| said.value);
            if let Some(value) = value.filter(|value| value.is_finite()) {
                judge(*bound, &mut figure.last, time, value, emit);
            }
        }
    }

    /// Forgets series that were silent since `before`, and figures with their last one; whether anything is left.
    pub(super) fn prune(&mut self, before: Timestamp) -> bool {
        let figures = &mut self.figures;
        self.parts.retain(|series, known| {
            if known.seen >= before {
                return true;
            }
            if let Part::Vital(places) = &known.part {
                for (at, _) in places {
                    let Some(place) = figures.get_mut(*at) else { continue };
                    place.take_if(|figure| figure.source.leave(*series) == Emptiness::Empty);
                }
            }
            false
        });
        self.last >= before
    }
}

impl Plain {
    /// A gauge as it is, a counter as its rate per second, a distribution as its mean.
    fn value(
        &mut self,
        kind: MetricKind,
        time: Timestamp,
        histogram: Option<&HistogramPoint>,
        value: f64,
    ) -> Option<f64> {
        if let Some(point) = histogram {
            let kind = if point.cumulative { MetricKind::Counter } else { MetricKind::Delta };
            let count = self.counter.observe(kind, point.count as f64, time)?;
            let sum = self.sum.observe(kind, point.sum, time)?;
            return (count.amount > 0.0).then(|| sum.amount / count.amount);
        }
        if matches!(kind, MetricKind::Counter | MetricKind::Delta) {
            let Increase { amount, seconds, .. } = self.counter.observe(kind, value, time)?;
            return seconds.filter(|seconds| *seconds > 0.0).map(|seconds| amount / seconds);
        }
        Some(value)
    }
}

/// The value stands for the time since the one before. What comes late is not judged: its time was judged already.
fn judge(
    bound: Bound,
    last: &mut Option<Timestamp>,
    time: Timestamp,
    value: f64,
    emit: &mut dyn FnMut(Count),
) {
    let before = last.filter(|last| time > *last);
    if last.is_some() && before.is_none() {
        return;
    }
    *last = Some(time);
    let Some(over) = before.map(|before| time.since(before)).filter(|over| *over <= GAP) else { return };
    let seconds = over.as_secs_f64();
    let (good, bad) = if bound.holds(value) { (seconds, 0.0) } else { (0.0, seconds) };
    spread(time, over, good, bad, emit);
}

#[cfg(test)]
mod tests {
    use echobase_types::slo::Side;

    use super::super::rows;
    use super::*;
    use crate::sli::tests::{points, series};

    #[test]
    fn series_that_come_and_go_leave_their_places_to_others() {
        let sli = Sli::Vital {
            vital: Vital::MemoryUtilization,
            bound: Bound { side: Side::AtMost, threshold: 0.9 },
        };
        let (mut values, vitals) = (Values::default(), Vitals::new(Vec::new()));
        let mut counted = 0.0;
        for day in 0..50_u64 {
            let from = day as i64 * 86_400;
            let told = || vec![(from, 0.5), (from + 60, 0.5)];
            let pod = day.to_string();
            let of = |id, name| (series(id, name, MetricKind::Gauge, &[("pod", &pod)]), told());
            let batch = points(vec![of(day * 2, "system.memory.utilization"), of(day * 2 + 1, "moons")]);
            values.take(&sli, &vitals, &batch, &rows(&batch, &[true]), &mut |count| counted += count.good);
            assert!(values.prune(Timestamp::from_secs(from)));
        }
        assert_eq!((values.parts.len(), values.figures.iter().flatten().count()), (2, 1));
        assert!(values.figures.len() <= 2 && counted >= 50.0 * 60.0, "{} {counted}", values.figures.len());
    }
}
