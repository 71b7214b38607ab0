//! What announces a failure, as figures without units.

use echobase_types::assessment::Vital;

use crate::course::Course;
use crate::exhaustion::Outlook;

/// Roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role { Store, Pool, Processor, Slow, Median, Queue, Dependency, Errors, Traffic }

pub(crate) fn role(v: Vital) -> Option<Role> {
    Some(match v {
        Vital::MemoryUtilization | Vital::DiskUtilization | Vital::FileDescriptorUtilization => Role::Store,
        Vital::PoolUtilization => Role::Pool,
        Vital::CpuUtilization => Role::Processor,
        Vital::LatencyP99 => Role::Slow,
        Vital::LatencyP50 => Role::Median,
        Vital::QueueLength => Role::Queue,
        Vital::DependencyLatency => Role::Dependency,
        Vital::ErrorRatio => Role::Errors,
        Vital::RequestRate => Role::Traffic,
        _ => return None,
    })
}

/// dump
pub fn names() -> Vec<String> {
    let mut all = Vec::new();
    for r in ["store", "pool", "cpu", "slow", "median", "queue", "dep", "err", "rps"] {
        for f in ["level", "excess", "departure", "novelty", "g0", "g1", "g2", "g3", "p0", "p1", "p2", "p3", "crest", "crestgain", "outlook"] {
            all.push(format!("{r}.{f}"));
        }
    }
    all
}

pub(crate) const PER: usize = 15;

pub(crate) fn row(out: &mut [f64], role: Role, c: &Course, outlook: Option<Outlook>, ahead: f32) {
    let at = role as usize * PER;
    let bounded = matches!(role, Role::Store | Role::Pool | Role::Processor);
    // A fifth of failed requests is as bad as a store that is full.
    let room = match role {
        Role::Processor => (0.9 - c.level()).max(0.02),
        _ if bounded => (1.0 - c.level()).max(0.01),
        Role::Errors => (0.2_f32.ln() - c.level()).max(0.05),
        _ => 1.0,
    };
    let mut f = [0.0_f64; PER];
    f[0] = match role {
        Role::Slow | Role::Median if c.mean() < 2.0_f32.ln() => f64::from(c.level()) - 10.0_f64.ln(),
        Role::Slow | Role::Median => f64::from(c.excess()) - 3.5,
        Role::Dependency | Role::Traffic => 0.0,
        _ => f64::from(c.level()),
    };
    f[1] = f64::from(c.excess());
    f[2] = f64::from(c.departure()).clamp(-50.0, 50.0);
    f[3] = f64::from(c.novelty());
    for k in 0..4 {
        f[4 + k] = f64::from(c.gain(k, ahead) / room).clamp(-5.0, 5.0);
        f[8 + k] = f64::from(c.plain_gain(k, ahead) / room).clamp(-5.0, 5.0);
    }
    f[12] = f64::from(c.crest());
    f[13] = f64::from(c.crest_gain(ahead) / room).clamp(-5.0, 5.0);
    f[14] = outlook.map_or(0.0, |o| o.probability);
    // the worst of several instances
    for (o, v) in out[at..at + PER].iter_mut().zip(f) {
        if o.is_nan() || v > *o { *o = v; }
    }
}
