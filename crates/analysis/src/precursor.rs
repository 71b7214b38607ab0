//! What announces a failure: figures without units, made of the vital signs of one resource.
//!
//! Each vital sign speaks in a role. Of each role fifteen figures are taken ([`FIGURES`]), the worst instance each:
//! the present against known limits, the present against the own normal, and what each slope adds within the next
//! [`AHEAD`] points, as a share of the room that is left. So they do not depend on the horizon that is asked about. What is not known stays at its value in ordinary operation, and so neither
//! alarms nor calms.

use echobase_types::assessment::Vital;

use crate::course::Course;
use crate::exhaustion::Outlook;

/// What a vital sign says about failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Memory, disk, file descriptors: used up is dead.
    Store,
    /// Connections, threads, workers: used up is stuck.
    Pool,
    /// Processors: used up is slow.
    Processor,
    /// The slowest requests.
    Slowest,
    /// The usual request.
    Median,
    /// Work that waits.
    Queue,
    /// How long dependencies take.
    Dependency,
    /// Failed requests.
    Errors,
    /// Requests per second.
    Traffic,
}

/// Roles there are.
pub const ROLES: usize = 9;
/// Figures per role.
pub const PER_ROLE: usize = 15;
/// How many points ahead a slope is followed.
pub const AHEAD: f64 = 60.0;
/// All figures.
pub const FIGURES: usize = ROLES * PER_ROLE;

impl Role {
    /// All, in the order of the figures.
    pub const ALL: [Self; ROLES] = [
        Self::Store,
        Self::Pool,
        Self::Processor,
        Self::Slowest,
        Self::Median,
        Self::Queue,
        Self::Dependency,
        Self::Errors,
        Self::Traffic,
    ];

    /// The role of a vital sign, if it has one.
    pub const fn of(vital: Vital) -> Option<Self> {
        Some(match vital {
            Vital::MemoryUtilization | Vital::DiskUtilization | Vital::FileDescriptorUtilization => {
                Self::Store
            }
            Vital::PoolUtilization => Self::Pool,
            Vital::CpuUtilization => Self::Processor,
            Vital::LatencyP99 => Self::Slowest,
            Vital::LatencyP50 => Self::Median,
            Vital::QueueLength => Self::Queue,
            Vital::DependencyLatency => Self::Dependency,
            Vital::ErrorRatio => Self::Errors,
            Vital::RequestRate => Self::Traffic,
            _ => return None,
        })
    }

    /// Where its figures are.
    pub(crate) const fn range(self) -> std::ops::Range<usize> {
        self as usize * PER_ROLE..(self as usize + 1) * PER_ROLE
    }
}

/// The figures of one resource at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precursors {
    /// NaN where nothing speaks.
    pub figures: [f32; FIGURES],
    /// Points of the shortest history that speaks.
    pub history: u32,
    /// Seconds between two points: of the slowest vital sign that speaks; 0 where none does.
    pub step: f64,
}

impl Default for Precursors {
    fn default() -> Self {
        Self { figures: [f32::NAN; FIGURES], history: u32::MAX, step: 0.0 }
    }
}

impl Precursors {
    /// Adds a vital sign. `points` is how many of its points lie within what is looked ahead.
    pub(crate) fn add(&mut self, role: Role, course: &Course, outlook: Option<Outlook>, points: f32) {
        self.history = self.history.min(course.count());
        let room = room(role, course);
        let mut own = [0.0_f32; PER_ROLE];
        own[0] = height(role, course);
        own[1] = course.excess();
        own[2] = course.departure().clamp(-50.0, 50.0);
        own[3] = course.novelty();
        for k in 0..4 {
            own[4 + k] = (course.gain(k, points) / room).clamp(-5.0, 5.0);
            own[8 + k] = (course.plain_gain(k, points) / room).clamp(-5.0, 5.0);
        }
        own[12] = course.crest();
        own[13] = (course.crest_gain(points) / room).clamp(-5.0, 5.0);
        own[14] = outlook.map_or(0.0, |o| o.probability as f32);
        for (all, own) in self.figures[role.range()].iter_mut().zip(own) {
            // Not `f32::max`: the first that speaks replaces the unknown.
            if all.is_nan() || own > *all {
                *all = own;
            }
        }
    }

    /// Whether a vital sign of that role speaks.
    pub(crate) fn speaks(&self, role: Role) -> bool {
        !self.figures[role as usize * PER_ROLE].is_nan()
    }
}

/// The present against a known limit: used share; latency against ten seconds, at which callers give up; requests
/// that fail, as a logarithm. A normal latency of two seconds and more has no such limit, or is not in seconds.
fn height(role: Role, course: &Course) -> f32 {
    match role {
        Role::Slowest | Role::Median if course.mean() < 2.0_f32.ln() => course.level() - 10.0_f32.ln(),
        Role::Slowest | Role::Median => course.excess() - 3.5,
        Role::Dependency | Role::Traffic => 0.0,
        _ => course.level(),
    }
}

/// What is left to a limit: of a processor nine tenths, as waiting grows without bounds before it is full; of failed
/// requests a fifth, which is a failed state; elsewhere one unit of the natural logarithm.
fn room(role: Role, course: &Course) -> f32 {
    match role {
        Role::Store | Role::Pool => (1.0 - course.level()).max(0.01),
        Role::Processor => (0.9 - course.level()).max(0.02),
        Role::Errors => (0.2_f32.ln() - course.level()).max(0.05),
        _ => 1.0,
    }
}
