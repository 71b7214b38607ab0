//! Fault plans: a quiet period first, then one fault after the other, with time to recover between.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fault::{Fault, FaultKind};
use crate::plant::Role;

/// What is done to the plant, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Seed of the load, the plant and the order of faults.
    pub seed: u64,
    /// The short form?
    pub form: Form,
    /// Time that the plant runs before anything is counted: processes start, the analysis learns what is normal.
    pub warm_up: Duration,
    /// The control period: nothing is done to the plant, and nothing may be done about it.
    pub quiet: Duration,
    /// The faults, in order.
    pub injections: Vec<Injection>,
    /// Calm between the cure of one fault and the next.
    pub recovery: Duration,
}

/// How long the demo takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Below eight minutes: slower ramps, longer quiet.
    Full,
    /// About three minutes, for continuous integration.
    Short,
}

impl Form {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Short => "short",
        }
    }
}

/// One fault in one part of the plant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Injection {
    /// Where.
    pub role: Role,
    /// What.
    pub fault: Fault,
    /// How long the loop has to find and mend it before the plan goes on.
    pub window: Duration,
}

/// The full plan of a seed: below eight minutes.
pub fn full(seed: u64) -> Plan {
    plan(seed, Form::Full)
}

/// The short plan of a seed: about three minutes, all five faults.
pub fn short(seed: u64) -> Plan {
    plan(seed, Form::Short)
}

fn plan(seed: u64, form: Form) -> Plan {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let scale = match form {
        Form::Full => 2.0,
        Form::Short => 1.0,
    };
    // The leak needs the longest view, so it comes first, when the plant has been left alone the longest; the
    // seed orders the rest.
    let mut rest = [
        FaultKind::ErrorBurst,
        FaultKind::CreepingLatency,
        FaultKind::DeadDependency,
        FaultKind::CpuSaturation,
    ];
    for at in (1..rest.len()).rev() {
        rest.swap(at, random.random_range(0..=at));
    }
    let injections = std::iter::once(FaultKind::MemoryLeak)
        .chain(rest)
        .map(|kind| injection(kind, scale, random.random_range(0.95..1.0)))
        .collect();
    Plan {
        seed,
        form,
        warm_up: Duration::from_secs_f64(28.0 * scale.sqrt()),
        quiet: Duration::from_secs_f64(20.0 * scale),
        injections,
        recovery: Duration::from_secs_f64(6.0 * scale),
    }
}

/// Each kind has the part of the plant where it says most; the seed varies how hard it hits.
fn injection(kind: FaultKind, scale: f64, hard: f64) -> Injection {
    let (role, intensity, ramp) = match kind {
        FaultKind::MemoryLeak => (Role::Orders, 1.0, 50.0),
        FaultKind::ErrorBurst => (Role::Front, hard, 20.0),
        FaultKind::CreepingLatency => (Role::Engine, hard, 30.0),
        FaultKind::DeadDependency => (Role::Stock, 1.0, 0.0),
        FaultKind::CpuSaturation => (Role::Orders, hard, 40.0),
    };
    let seconds = |s: f64| Duration::from_secs_f64(s * scale);
    let window = seconds(ramp + 30.0);
    Injection { role, fault: Fault { kind, intensity, ramp: seconds(ramp), length: window * 2 }, window }
}

impl Plan {
    /// How long it takes at most: every fault uses up its window.
    pub fn longest(&self) -> Duration {
        let faults: Duration = self.injections.iter().map(|i| i.window + self.recovery).sum();
        self.warm_up + self.quiet + faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_each_fault_once_and_depends_on_its_seed_only() {
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..50 {
            for plan in [short(seed), full(seed)] {
                let mut kinds: Vec<FaultKind> = plan.injections.iter().map(|i| i.fault.kind).collect();
                orders.insert(format!("{kinds:?}"));
                kinds.sort_unstable();
                assert_eq!(kinds, FaultKind::ALL, "seed {seed}");
                assert!(plan.quiet >= Duration::from_secs(20), "seed {seed}");
            }
            assert_eq!(short(seed), short(seed));
        }
        assert!(orders.len() > 10, "the seed orders the faults: {} orders seen", orders.len());
    }

    #[test]
    fn every_fault_lasts_longer_than_the_loop_has_to_mend_it() {
        for injection in short(7).injections.iter().chain(&full(7).injections) {
            assert!(injection.fault.length > injection.window, "{injection:?}");
            assert!(
                injection.fault.failure_after().is_none_or(|failure| failure < injection.window),
                "{injection:?}"
            );
        }
    }
}
