//! Faults: what each does to a process, what cures it, and when it would end in failure.
//!
//! | fault | what the process does | failure | cured by |
//! |---|---|---|---|
//! | `memory_leak` | keeps memory it really allocated; the share of its limit grows in a line | at the limit it dies | restart |
//! | `error_burst` | answers a growing share of requests with 500 | at the end of the ramp | restart |
//! | `creeping_latency` | each request takes longer, up to more than its workers can bear | at the end of the ramp the queue grows without end | restart; more instances halve the load and so push the failure out |
//! | `dead_dependency` | takes requests and never answers them | at once | restart |
//! | `cpu_saturation` | each request costs more processor time, up to all of the process's share at the usual load | at the end of the ramp the queue grows without end | restart; more instances: the load of each, and with it the processor time, falls to a half |
//!
//! The state of a fault lives in the memory of one process: a new process is well.

use std::fmt;
use std::time::Duration;

use echobase_types::Timestamp;
use serde_json::{Value, json};

use crate::plant::Role;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Memory is allocated and never given back.
    MemoryLeak,
    /// Requests fail.
    ErrorBurst,
    /// Requests take longer and longer.
    CreepingLatency,
    /// Requests are taken and never answered.
    DeadDependency,
    /// Requests cost more and more processor time.
    CpuSaturation,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::MemoryLeak,
        Self::ErrorBurst,
        Self::CreepingLatency,
        Self::DeadDependency,
        Self::CpuSaturation,
    ];

    /// The word in requests and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory_leak",
            Self::ErrorBurst => "error_burst",
            Self::CreepingLatency => "creeping_latency",
            Self::DeadDependency => "dead_dependency",
            Self::CpuSaturation => "cpu_saturation",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The same for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory leak",
            Self::ErrorBurst => "error burst",
            Self::CreepingLatency => "creeping latency",
            Self::DeadDependency => "dead dependency",
            Self::CpuSaturation => "CPU saturation",
        }
    }

    /// The actions of the process actuator that cure it.
    pub const fn cures(self) -> &'static [&'static str] {
        match self {
            Self::MemoryLeak | Self::ErrorBurst | Self::DeadDependency => &["restart"],
            Self::CreepingLatency | Self::CpuSaturation => &["restart", "scale"],
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fault as it is put into a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How far it goes at the end of the ramp, 0..=1: share of the memory limit, of failed requests, of the workers'
    /// capacity, of the processor share. `dead_dependency` is there or not.
    pub intensity: f64,
    /// How long it takes to get there, in a line; zero: at once.
    pub ramp: Duration,
    /// After this time it ends by itself.
    pub length: Duration,
}

/// A fault that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read a fault: {0}")]
pub struct InvalidFault(String);

impl Fault {
    /// Reads `{"kind": …, "intensity": …, "seconds": …, "ramp_seconds": …}`; the ramp may be left out.
    pub fn from_json(value: &Value) -> Result<Self, InvalidFault> {
        let invalid = |why: &str| InvalidFault(why.to_owned());
        let kind = value.get("kind").and_then(Value::as_str).and_then(FaultKind::parse);
        let seconds = |name: &str| value.get(name).and_then(Value::as_f64).map(Duration::try_from_secs_f64);
        let intensity = value.get("intensity").and_then(Value::as_f64);
        Ok(Self {
            kind: kind.ok_or_else(|| invalid("`kind` is none of the kinds of faults"))?,
            intensity: intensity
                .filter(|i| (0.0..=1.0).contains(i))
                .ok_or_else(|| invalid("`intensity` is a number from 0 to 1"))?,
            ramp: seconds("ramp_seconds")
                .unwrap_or(Ok(Duration::ZERO))
                .map_err(|_| invalid("`ramp_seconds` is a number of seconds"))?,
            length: seconds("seconds")
                .and_then(Result::ok)
                .ok_or_else(|| invalid("`seconds` is a number of seconds"))?,
        })
    }

    /// The same as JSON.
    pub fn to_json(self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "intensity": self.intensity,
            "seconds": self.length.as_secs_f64(),
            "ramp_seconds": self.ramp.as_secs_f64(),
        })
    }

    /// How far it is after that time: 0..=`intensity`, and 0 once it is over.
    pub fn level(self, after: Duration) -> f64 {
        if after >= self.length {
            return 0.0;
        }
        if self.ramp.is_zero() {
            return self.intensity;
        }
        self.intensity * (after.as_secs_f64() / self.ramp.as_secs_f64()).min(1.0)
    }

    /// When a process with it fails if nobody acts: the end of the ramp. `None` where it has failed at once, so that
    /// there is nothing to be early for.
    pub fn failure_after(self) -> Option<Duration> {
        (!self.ramp.is_zero()).then_some(self.ramp)
    }
}

/// The faults in one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    active: Vec<(Timestamp, Fault)>,
}

impl Faults {
    /// Puts one in; a second of the same kind takes the place of the first.
    pub(crate) fn begin(&mut self, fault: Fault, now: Timestamp) {
        self.active.retain(|(_, active)| active.kind != fault.kind);
        self.active.push((now, fault));
    }

    /// How far that kind is now.
    pub(crate) fn level(&self, kind: FaultKind, now: Timestamp) -> f64 {
        let active = self.active.iter().find(|(_, fault)| fault.kind == kind);
        active.map_or(0.0, |(begun, fault)| fault.level(now.since(*begun)))
    }

    /// What each request takes longer: at level 1 twice the time at which the workers are all busy.
    pub(crate) fn delay(&self, role: Role, now: Timestamp) -> Duration {
        let saturated = role.workers() as f64 / role.rate();
        Duration::from_secs_f64(self.level(FaultKind::CreepingLatency, now) * saturated * 1.2)
    }

    /// Processor time that each request costs more: at level 1 the whole share at the usual load.
    pub(crate) fn processor_cost(&self, role: Role, now: Timestamp) -> Duration {
        let whole = crate::plant::PROCESSOR_SHARE / role.rate();
        Duration::from_secs_f64(self.level(FaultKind::CpuSaturation, now) * whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fault(kind: FaultKind, ramp: u32) -> Fault {
        Fault { kind, intensity: 0.8, ramp: SECOND * ramp, length: SECOND * 60 }
    }

    #[test]
    fn a_level_rises_in_a_line_holds_and_ends() {
        for (ramp, after, level) in [
            (0, 0, 0.8),
            (0, 59, 0.8),
            (0, 60, 0.0),
            (10, 0, 0.0),
            (10, 5, 0.4),
            (10, 10, 0.8),
            (10, 59, 0.8),
            (10, 60, 0.0),
        ] {
            let got = fault(FaultKind::ErrorBurst, ramp).level(SECOND * after);
            assert!((got - level).abs() < 1e-9, "ramp {ramp} after {after}: {got}");
        }
    }

    #[test]
    fn a_fault_reads_back_and_a_wrong_one_says_what_is_wrong() {
        for kind in FaultKind::ALL {
            let given = fault(kind, 30);
            assert_eq!(Fault::from_json(&given.to_json()), Ok(given));
        }
        for (value, word) in [
            (json!({ "kind": "boredom", "intensity": 1, "seconds": 1 }), "kind"),
            (json!({ "kind": "memory_leak", "intensity": 2, "seconds": 1 }), "intensity"),
            (json!({ "kind": "memory_leak", "intensity": 1 }), "seconds"),
            (json!({ "kind": "memory_leak", "intensity": 1, "seconds": -1 }), "seconds"),
            (
                json!({ "kind": "memory_leak", "intensity": 1, "seconds": 1, "ramp_seconds": -1 }),
                "ramp_seconds",
            ),
        ] {
            let error = Fault::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_second_fault_of_a_kind_replaces_the_first_and_kinds_do_not_mix() {
        let (mut faults, start) = (Faults::default(), Timestamp::EPOCH);
        faults.begin(fault(FaultKind::ErrorBurst, 0), start);
        faults.begin(Fault { intensity: 0.1, ..fault(FaultKind::ErrorBurst, 0) }, start);
        assert!((faults.level(FaultKind::ErrorBurst, start) - 0.1).abs() < 1e-9);
        assert!(faults.level(FaultKind::MemoryLeak, start) < 1e-9);
        assert!(faults.delay(Role::Engine, start).is_zero());
    }
}
