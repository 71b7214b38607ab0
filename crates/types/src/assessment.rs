//! The verdict on one resource at one time.

use std::time::Duration;

use crate::{AnomalyId, ResourceId, SeriesId, Timestamp};

/// What the analysis says of one resource at one time. Every figure carries the reasons that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The resource judged.
    pub resource_id: ResourceId,
    /// When.
    pub at: Timestamp,
    /// When its newest signal was measured.
    pub last_signal_at: Timestamp,
    /// Number of live series behind it.
    pub series: u32,
    /// The score and its components.
    pub stability: Stability,
    /// Probability of a failed state within the horizon.
    pub risk: Risk,
    /// The vital signs that were known, at most one value per sign (the worst instance).
    pub vitals: Vec<VitalReading>,
    /// Anomalies that are open now, worst first.
    pub anomalies: Vec<Anomaly>,
    /// Series that left their reference, strongest first.
    pub drift: Vec<Drift>,
    /// Bounded resources that run out, soonest first.
    pub exhaustion: Vec<Exhaustion>,
}

/// A score between 0 (failed) and 1 (healthy), explained to the last term.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// The score, 0..=1.
    pub score: f64,
    /// The four components, in the order of `Component::ALL`.
    pub components: [ComponentScore; 4],
}

/// A component of the stability score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Head-room of bounded resources.
    Resource,
    /// Failed work.
    Error,
    /// Speed against the resource's own normal.
    Performance,
    /// State of what it depends on.
    Dependency,
}

impl Component {
    /// All, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Resource, Self::Error, Self::Performance, Self::Dependency];

    /// The word in conditions, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Error => "error",
            Self::Performance => "performance",
            Self::Dependency => "dependency",
        }
    }
}

/// One component: its score, its weight and why.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentScore {
    /// Which.
    pub component: Component,
    /// 0..=1, or `None` where no signal speaks about it (its weight is then 0).
    pub score: Option<f64>,
    /// Share of this component in the whole, 0..=1; the weights of one assessment sum to 1 (or all are 0).
    pub weight: f64,
    /// What made it, strongest first.
    pub reasons: Vec<Reason>,
}

/// One term of a figure, in numbers and words.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The metric or vital sign it comes from.
    pub metric: String,
    /// The series, where it is one.
    pub series: Option<SeriesId>,
    /// What was seen.
    pub value: f64,
    /// What would have been normal.
    pub expected: f64,
    /// How much this term took from the figure (score) or added to it (risk), 0..=1.
    pub contribution: f64,
    /// The same in one sentence.
    pub words: String,
}

/// Probability of a failed state within a horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// 0..=1.
    pub probability: f64,
    /// Within this time from `Assessment::at`.
    pub horizon: Duration,
    /// Whether there is enough history to say anything; if not, `probability` is the base rate.
    pub predictable: bool,
    /// When failure is expected if the trend goes on, where a trend drives the risk.
    pub expected_in: Option<Duration>,
    /// When failure is as likely as not to have come, read off `horizons`; `None` while it is less likely than not
    /// within the longest horizon of which something can be said.
    pub likely_in: Option<Duration>,
    /// What drives it, strongest first.
    pub features: Vec<Reason>,
    /// The same question for the fixed horizons (5, 15, 60 minutes, a day), shortest first. The probability never
    /// falls with the horizon, and is `probability` at `horizon` itself.
    pub horizons: Vec<HorizonRisk>,
}

/// Probability of a failed state within one horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizonRisk {
    /// Within this time.
    pub horizon: Duration,
    /// 0..=1.
    pub probability: f64,
    /// Who says so.
    pub basis: RiskBasis,
    /// The same in one sentence.
    pub words: String,
}

/// Who speaks about a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskBasis {
    /// Nobody: the history is too short for so long a look ahead. The probability is a least one.
    Nothing,
    /// Trends and present harm. The learned model was not measured so far ahead.
    Hazards,
    /// Trends, present harm and the learned model.
    Learned,
}

impl RiskBasis {
    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Hazards => "hazards",
            Self::Learned => "learned",
        }
    }

    /// The basis of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Nothing, Self::Hazards, Self::Learned].into_iter().find(|b| b.as_str() == word)
    }

    /// Whether anything can be said.
    pub const fn is_predictable(self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// A vital sign: what a metric means for stability, whatever its sender calls it. The mapping is the table in
/// `analysis::vital`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vital {
    /// Busy share of the processors, 0..=1.
    CpuUtilization,
    /// Used share of memory, 0..=1.
    MemoryUtilization,
    /// Used share of the fullest file system, 0..=1.
    DiskUtilization,
    /// Used share of file descriptors, 0..=1.
    FileDescriptorUtilization,
    /// Used share of a pool of connections, threads or workers, 0..=1.
    PoolUtilization,
    /// Run-queue length per processor (load).
    LoadPerCpu,
    /// Memory of a process in bytes, without a known limit.
    MemoryUsage,
    /// Work waiting.
    QueueLength,
    /// Requests per second.
    RequestRate,
    /// Failed share of requests, 0..=1.
    ErrorRatio,
    /// Median seconds per request.
    LatencyP50,
    /// 99th percentile of seconds per request.
    LatencyP99,
    /// Median or mean seconds of calls to dependencies.
    DependencyLatency,
    /// Failed share of calls to dependencies, 0..=1.
    DependencyErrorRatio,
    /// 1 if the resource answers, 0 if not.
    Up,
}

impl Vital {
    /// All vital signs.
    pub const ALL: [Self; 15] = [
        Self::CpuUtilization,
        Self::MemoryUtilization,
        Self::DiskUtilization,
        Self::FileDescriptorUtilization,
        Self::PoolUtilization,
        Self::LoadPerCpu,
        Self::MemoryUsage,
        Self::QueueLength,
        Self::RequestRate,
        Self::ErrorRatio,
        Self::LatencyP50,
        Self::LatencyP99,
        Self::DependencyLatency,
        Self::DependencyErrorRatio,
        Self::Up,
    ];

    /// The word in configuration, conditions (`vitals.memory_utilization`), API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuUtilization => "cpu_utilization",
            Self::MemoryUtilization => "memory_utilization",
            Self::DiskUtilization => "disk_utilization",
            Self::FileDescriptorUtilization => "file_descriptor_utilization",
            Self::PoolUtilization => "pool_utilization",
            Self::LoadPerCpu => "load_per_cpu",
            Self::MemoryUsage => "memory_usage",
            Self::QueueLength => "queue_length",
            Self::RequestRate => "request_rate",
            Self::ErrorRatio => "error_ratio",
            Self::LatencyP50 => "latency_p50",
            Self::LatencyP99 => "latency_p99",
            Self::DependencyLatency => "dependency_latency",
            Self::DependencyErrorRatio => "dependency_error_ratio",
            Self::Up => "up",
        }
    }

    /// The vital sign of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == word)
    }

    /// Whether it is a share of something bounded, so that it can run out at 1.
    pub const fn is_bounded(self) -> bool {
        matches!(
            self,
            Self::CpuUtilization
                | Self::MemoryUtilization
                | Self::DiskUtilization
                | Self::FileDescriptorUtilization
                | Self::PoolUtilization
        )
    }
}

/// A vital sign read at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct VitalReading {
    /// Which.
    pub vital: Vital,
    /// The value, in the unit of the vital sign.
    pub value: f64,
    /// The resource's own normal, once known.
    pub normal: Option<f64>,
    /// The metric it was read from.
    pub metric: String,
}

/// How bad something is, in the words of people who answer alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it in working hours.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word in conditions, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|s| s.as_str() == word)
    }
}

/// What an anomaly looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnomalyShape {
    /// Short and far out.
    Spike,
    /// A lasting step.
    LevelShift,
    /// A slow move away.
    Drift,
    /// More restless than usual.
    Variance,
    /// Unusually still.
    FlatLine,
    /// The values stopped coming.
    Missing,
}

impl AnomalyShape {
    /// The word in conditions, API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level_shift",
            Self::Drift => "drift",
            Self::Variance => "variance",
            Self::FlatLine => "flat_line",
            Self::Missing => "missing",
        }
    }

    /// The shape of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Spike, Self::LevelShift, Self::Drift, Self::Variance, Self::FlatLine, Self::Missing]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// Unusual behaviour of one series, from onset to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Derived from the series and the onset: the same on every machine and after a restart.
    pub id: AnomalyId,
    /// The series.
    pub series: SeriesId,
    /// The metric name with its attributes, as shown to people.
    pub metric: String,
    /// Onset.
    pub started_at: Timestamp,
    /// End, once over.
    pub ended_at: Option<Timestamp>,
    /// How bad.
    pub severity: Severity,
    /// What it looks like.
    pub shape: AnomalyShape,
    /// −log₁₀ of the tail probability of what was seen.
    pub surprise: f64,
    /// What was seen at the peak.
    pub value: f64,
    /// What was expected there.
    pub expected: f64,
    /// What spoke for it, in figures.
    pub evidence: Evidence,
    /// What went with it; absent where no verdict was made while it was open.
    pub outcome: Option<Outcome>,
    /// The same in one sentence.
    pub words: String,
}

/// Which evidence was the first to be nearly as loud as the loudest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Witness {
    /// One value against what the values just before foretold.
    Prediction,
    /// The level against the slow baseline.
    Level,
    /// The mean of many values against the baseline.
    Creep,
    /// More restless than usual.
    Restless,
    /// More still than usual.
    Still,
    /// A height or a path that was never seen.
    Novel,
    /// Several series at once.
    Together,
    /// Nothing came any more.
    Silence,
}

impl Witness {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Prediction,
        Self::Level,
        Self::Creep,
        Self::Restless,
        Self::Still,
        Self::Novel,
        Self::Together,
        Self::Silence,
    ];

    /// The word in events and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Level => "level",
            Self::Creep => "creep",
            Self::Restless => "restless",
            Self::Still => "still",
            Self::Novel => "novel",
            Self::Together => "together",
            Self::Silence => "silence",
        }
    }

    /// The witness of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.as_str() == word)
    }

    /// What it compares, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Prediction => "the value against what the values just before foretold",
            Self::Level => "the level against the slow baseline",
            Self::Creep => "the mean of many values against the baseline",
            Self::Restless => "how restless it is, against how restless it usually is",
            Self::Still => "how still it is, against how still it usually is",
            Self::Novel => "a height or a path that this series never had",
            Self::Together => "several series of the resource at once",
            Self::Silence => "the time since the last value, against its usual step",
        }
    }
}

/// The figures behind an anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What spoke.
    pub witness: Witness,
    /// What the onset counted: its surprise less what this series does anyway. At least `bar`.
    pub onset: f64,
    /// What an onset had to exceed to open an alert, by budget and feedback.
    pub bar: f64,
    /// Lower end of what was expected at the peak: three usual deviations (of a silence: seconds).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Of an anomaly of several metrics: those that drive it, loudest first. Empty for one metric.
    pub drivers: Vec<Driver>,
}

/// A metric that drives an anomaly of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Driver {
    /// The series.
    pub series: SeriesId,
    /// The metric name with its attributes, as shown to people.
    pub metric: String,
    /// Its part in the surprise of the drivers, 0..=1; they sum to 1.
    pub share: f64,
}

/// What went with an anomaly while it was open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The most other series of the resource that were unusual at the same time.
    pub companions: u32,
    /// Whether the stability score fell below 0.7 meanwhile.
    pub harmed: bool,
}

impl Outcome {
    /// Whether something besides the series itself speaks for it.
    pub const fn is_confirmed(self) -> bool {
        self.companions > 0 || self.harmed
    }
}

/// How the behaviour of a series changed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// The mean, at once.
    Step,
    /// The mean, bit by bit.
    Ramp,
    /// How far the values are apart.
    Variance,
}

impl DriftKind {
    /// The word in API and UI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Ramp => "ramp",
            Self::Variance => "variance",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Step, Self::Ramp, Self::Variance].into_iter().find(|k| k.as_str() == word)
    }
}

/// What a drift was found against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Begin of the reference window; its end is where the change began.
    pub from: Timestamp,
    /// Values in it.
    pub points: u32,
    /// Whether values count as deviations from what is usual at their time of day, not as they are.
    pub seasonal: bool,
    /// False drifts per series and month on independent noise, as the threshold is set.
    pub false_per_month: f64,
}

/// A series whose behaviour left its reference for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The series.
    pub series: SeriesId,
    /// The metric name with its attributes, as shown to people.
    pub metric: String,
    /// What changed.
    pub kind: DriftKind,
    /// When the change began, by the test.
    pub since: Timestamp,
    /// When it was certain enough to be told.
    pub found_at: Timestamp,
    /// What it was found against.
    pub reference: Reference,
    /// The test statistic over its threshold: above 1 is a drift.
    pub statistic: f64,
    /// Reference level.
    pub before: f64,
    /// Level now.
    pub after: f64,
    /// The same in one sentence.
    pub words: String,
}

/// A bounded resource on its way to its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Exhaustion {
    /// The vital sign that is bounded.
    pub vital: Vital,
    /// The metric name with its attributes, as shown to people.
    pub metric: String,
    /// Used share now, 0..=1.
    pub used_ratio: f64,
    /// Growth of the used share per hour, by a robust slope.
    pub growth_per_hour: f64,
    /// Time until it is used up if the growth goes on.
    pub time_left: Duration,
    /// The same in one sentence.
    pub words: String,
}
