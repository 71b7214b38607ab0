//! Runs of the plant, as rows of precursors with the time that was left.

use std::time::Duration;

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::boost::Row;
use crate::kinds::{Draw, FURTHER, Fault, KNOWN};
use crate::noise::Noise;
use crate::plant::{NAMES, Plant, Strain};

/// Where a run comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// A kind of [`KNOWN`].
    Known(usize),
    /// A kind of [`FURTHER`].
    Further(usize),
    /// Random faults.
    Mixed,
    /// Random faults or a kind at other steps and time scales, with metrics missing, calmer or more restless.
    Varied,
}

impl Family {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Known(at) => KNOWN[at].name,
            Self::Further(at) => FURTHER[at].name,
            Self::Mixed => "random faults",
            Self::Varied => "random faults at other scales",
        }
    }

    /// Whether it is a kind, and so as usual as it is made: the threshold of the decision is found on these.
    pub(crate) fn is_kind(self) -> bool {
        matches!(self, Self::Known(_) | Self::Further(_))
    }

    /// How much a row of it counts.
    pub(crate) fn weight(self) -> f32 {
        match self {
            Self::Known(_) => 2.0,
            Self::Further(_) => 1.0,
            Self::Mixed => 0.4,
            Self::Varied => 0.4,
        }
    }
}

/// One run: its rows, and the row of its collapse.
pub(crate) struct Run {
    pub(crate) family: Family,
    seconds: f64,
    /// Which metrics are sent.
    sent: [bool; NAMES.len()],
    rows: Vec<[f64; NAMES.len()]>,
    collapse: Option<usize>,
}

/// Of so many runs of each kind, of random faults, and of random faults at other scales.
pub(crate) struct Plan {
    pub(crate) known: u64,
    pub(crate) further: u64,
    pub(crate) mixed: u64,
    pub(crate) varied: u64,
    pub(crate) first_seed: u64,
}

impl Plan {
    /// What is learned from.
    pub(crate) fn learned() -> Self {
        Self { known: 40, further: 24, mixed: 800, varied: 700, first_seed: 1_000 }
    }

    /// What is judged: other seeds than any that is learned from.
    pub(crate) fn judged() -> Self {
        Self { known: 12, further: 12, mixed: 200, varied: 200, first_seed: 900_000 }
    }

    /// The runs to make.
    pub(crate) fn jobs(&self) -> Vec<(Family, u64)> {
        let known = (0..KNOWN.len()).flat_map(|k| (0..self.known).map(move |s| (Family::Known(k), s)));
        let further =
            (0..FURTHER.len()).flat_map(|k| (0..self.further).map(move |s| (Family::Further(k), s)));
        let mixed = (0..self.mixed).map(|s| (Family::Mixed, s));
        let varied = (0..self.varied).map(|s| (Family::Varied, s));
        let all = known.chain(further).chain(mixed).chain(varied);
        all.map(|(family, seed)| (family, self.first_seed + seed)).collect()
    }
}

impl Run {
    /// Makes a run of a family from its seed.
    pub(crate) fn make(family: Family, seed: u64) -> Self {
        let salt = match family {
            Family::Known(at) => at as u64,
            Family::Further(at) => 100 + at as u64,
            Family::Mixed => 200,
            Family::Varied => 201,
        };
        let mut r = Noise::new(seed.wrapping_mul(1_000).wrapping_add(salt));
        let length = r.between(1_500.0, 4_300.0).floor();
        let onset = r.between(600.0, (length - 500.0).max(601.0)).floor();
        let (mut minutes, mut grain, mut lasts) = (1.0, 1.0, r.between(60.0, 900.0).floor());
        let mut sent = [true; NAMES.len()];
        if family == Family::Varied {
            minutes = r.one_of(&[1.0 / 6.0, 0.5, 1.0, 1.0, 5.0]);
            grain = r.log_between(0.3, 3.0);
            lasts = r.log_between(25.0, 1_800.0).floor();
            let missing = r.between(0.0, 0.5);
            sent = sent.map(|_| !r.is(missing));
        }
        let mut plant = Plant::draw(minutes, grain, &mut r);
        if matches!(family, Family::Mixed | Family::Varied) && r.is(0.7) {
            plant.count_few(&mut r);
        }
        let draw = Draw::new(onset, lasts, &plant, &mut r);
        let kind = match family {
            Family::Known(at) => Some(KNOWN[at]),
            Family::Further(at) => Some(FURTHER[at]),
            Family::Varied if r.is(0.4) => Some(r.one_of(&KNOWN)),
            _ => None,
        };
        let longest = if family == Family::Varied { 1_800.0 } else { 1_000.0 };
        let faults = if kind.is_some() { Vec::new() } else { Fault::draw(onset, longest, &mut r) };
        let mut run = Self { family, seconds: 60.0 * minutes, sent, rows: Vec::new(), collapse: None };
        for row in 0..length as usize {
            let mut strain = kind.map_or_else(Strain::default, |k| k.strain(&draw, row));
            for fault in &faults {
                fault.work(row, &plant, &mut strain);
            }
            let (seen, has_failed) = plant.step(row, &strain, &mut r);
            run.rows.push(seen);
            if has_failed {
                run.collapse = Some(row);
                break;
            }
        }
        run
    }

    /// What is measured, row by row; NaN where it is not sent.
    pub(crate) fn measured(&self) -> impl Iterator<Item = [f64; NAMES.len()]> {
        self.rows.iter().map(|row| std::array::from_fn(|j| if self.sent[j] { row[j] } else { f64::NAN }))
    }

    /// Rows from this one to the collapse; infinite where none came.
    pub(crate) fn left(&self, row: usize) -> f32 {
        self.collapse.map_or(f32::INFINITY, |c| c as f32 - row as f32)
    }

    /// Whether it ends in a collapse.
    pub(crate) fn collapses(&self) -> bool {
        self.collapse.is_some()
    }

    /// Whether it is long enough to learn from, and something is sent.
    pub(crate) fn is_useful(&self) -> bool {
        self.rows.len() >= 400 && self.sent.iter().any(|s| *s)
    }

    /// The rows as the engine sees them. Ordinary rows are thinned; what is kept counts as many.
    pub(crate) fn learn(&self, at: usize, rows: &mut Vec<Row>) {
        let Ok(id) = ResourceId::new("process:run") else { return };
        let mut engine = Engine::new(AnalysisConfig {
            forget_after: Duration::from_secs(366 * 86_400),
            ..AnalysisConfig::default()
        });
        let names = NAMES.iter().zip(self.sent).enumerate().filter(|(_, (_, is_sent))| *is_sent);
        let series = names.map(|(j, (name, _))| Series {
            id: SeriesId(j as u64 + 1),
            resource: 0,
            name: (*name).to_owned(),
            unit: String::new(),
            kind: MetricKind::Gauge,
            attributes: Attributes::new(),
        });
        let resource = Resource {
            id: id.clone(),
            kind: ResourceKind::Process,
            name: "run".to_owned(),
            attributes: Attributes::new(),
        };
        let mut batch =
            SignalBatch { resources: vec![resource], series: series.collect(), ..SignalBatch::default() };
        for (row, values) in self.rows.iter().enumerate() {
            let time = Timestamp::from_micros((row as f64 * self.seconds * 1e6) as i64);
            let sent = values.iter().zip(self.sent).filter(|(_, is_sent)| *is_sent);
            batch.points.clear();
            batch.points.extend(sent.enumerate().map(|(j, (&value, _))| MetricPoint {
                series: j as u32,
                time,
                value,
            }));
            engine.observe(&batch);
            let left = self.left(row);
            let thin = match left {
                l if l <= 60.0 => 2,
                l if l <= 240.0 => 4,
                _ => 10,
            };
            if row < 60 || left < 1.0 || !(row + at).is_multiple_of(thin) {
                continue;
            }
            if let Some(seen) = engine.precursors(&id) {
                rows.push(Row {
                    figures: seen.figures,
                    left,
                    thin: thin as f32,
                    family: self.family,
                    place: (at as u32, row as u32),
                });
            }
        }
    }
}

/// All rows of a plan, on as many threads as there are processors.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    let jobs = plan.jobs();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Vec<Row>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let jobs = &jobs;
                scope.spawn(move || {
                    let mut part = Vec::new();
                    for (at, (family, seed)) in jobs.iter().enumerate().skip(worker).step_by(threads) {
                        let run = Run::make(*family, *seed);
                        if run.is_useful() {
                            run.learn(at, &mut part);
                        }
                    }
                    part
                })
            })
            .collect();
        workers.into_iter().filter_map(|w| w.join().ok()).collect()
    });
    parts.into_iter().flatten().collect()
}
