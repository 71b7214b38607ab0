//! Kinds of trouble and of what only looks like it.

use crate::noise::Noise;
use crate::plant::{Plant, Strain};

/// What is drawn for a run before it starts. Lengths in rows.
pub(crate) struct Draw {
    onset: f64,
    lasts: f64,
    trigger: f64,
    headroom: f64,
    memory: f64,
    disk: f64,
    tooth: f64,
    tooth_rows: f64,
    rotation: f64,
    job: f64,
    new_capacity: f64,
    new_dependency: f64,
}

impl Draw {
    pub(crate) fn new(onset: f64, lasts: f64, plant: &Plant, r: &mut Noise) -> Self {
        Self {
            onset,
            lasts,
            trigger: onset + r.between(0.0, 60.0),
            headroom: plant.headroom(),
            memory: plant.memory,
            disk: plant.disk,
            tooth: r.between(0.1, 0.3),
            tooth_rows: r.between(30.0, 240.0).floor(),
            rotation: r.between(200.0, 900.0).floor(),
            job: r.between(120.0, 400.0).floor(),
            new_capacity: r.between(0.9, 1.25),
            new_dependency: r.between(1.05, 1.25),
        }
    }
}

/// A row within a run.
#[derive(Clone, Copy)]
struct Moment {
    row: f64,
    /// Rows since the onset; negative before it.
    since: f64,
    /// 0 at the onset, 1 where trouble was meant to be complete, then more.
    progress: f64,
}

/// A kind: its name and what it does.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    work: fn(&Draw, Moment, &mut Strain),
}

impl Kind {
    pub(crate) fn strain(&self, draw: &Draw, row: usize) -> Strain {
        let row = row as f64;
        let since = row - draw.onset;
        let mut strain = Strain::default();
        (self.work)(draw, Moment { row, since, progress: (since / draw.lasts).max(0.0) }, &mut strain);
        strain
    }
}

const fn kind(name: &'static str, work: fn(&Draw, Moment, &mut Strain)) -> Kind {
    Kind { name, work }
}

/// Eight kinds that fail and eight look-alikes.
pub(crate) const KNOWN: [Kind; 16] = [
    kind("memory leak", |d, m, s| s.memory = (1.0 - d.memory) * m.progress),
    kind("disk fill", |d, m, s| s.disk = (1.0 - d.disk) * m.progress),
    kind("connection leak", |_, m, s| s.leaked = m.progress),
    kind("load ramp", |d, m, s| s.traffic = 1.0 + 1.6 * m.progress * d.headroom),
    kind("slow dependency", |_, m, s| s.dependency = 1.0 + 60.0 * m.progress * m.progress),
    kind("retry storm", |d, m, s| {
        s.retries = 0.25;
        s.capacity = (1.0 - 0.35 * m.progress).max(0.55);
        let surge = d.trigger + 0.8 * d.lasts;
        if m.row >= surge && m.row < surge + 8.0 {
            s.traffic = 1.5;
        }
    }),
    kind("throttling", |_, m, s| s.capacity = (1.0 - 0.9 * m.progress).max(0.1)),
    kind("cache decay", |_, m, s| {
        let part = m.progress.min(1.0);
        s.capacity = (1.0 - 0.8 * part.powf(1.5)).max(0.15);
        s.dependency = 1.0 + 4.0 * part;
    }),
    kind("quiet", |_, _, _| {}),
    kind("ramp to a plateau", |_, m, s| s.traffic = 1.0 + 0.35 * m.progress.min(1.0)),
    kind("garbage collection", |d, m, s| s.memory = d.tooth * (m.row % d.tooth_rows) / d.tooth_rows),
    kind("log rotation", |d, m, s| s.disk = 0.3 * (m.row % d.rotation) / d.rotation),
    kind("batch jobs", |d, m, s| {
        if m.row % d.job < 25.0 {
            (s.processor, s.capacity) = (0.3, 0.85);
        }
    }),
    kind("deployment", |d, m, s| {
        if m.since >= 0.0 {
            s.capacity = d.new_capacity;
            s.dependency = d.new_dependency;
            s.memory = d.memory * (d.new_dependency - 1.0);
        }
    }),
    kind("cache flush", |_, m, s| {
        if (0.0..40.0).contains(&m.since) {
            (s.capacity, s.dependency) = (0.8 + 0.2 * m.since / 40.0, 2.0);
        }
    }),
    kind("spike that passes", |_, m, s| {
        if (0.0..12.0).contains(&m.since) {
            (s.traffic, s.traffic_at_most) = (1.6, 0.97);
        }
    }),
];

/// Further kinds: ten that fail, then nine look-alikes.
pub(crate) const FURTHER: [Kind; 19] = [
    kind("connections lost in stairs", |_, m, s| s.leaked = (8.0 * m.progress).floor() / 8.0),
    kind("leak under a saw-tooth", |d, m, s| {
        s.memory = 0.12 * (m.row % d.tooth_rows) / d.tooth_rows + (1.0 - d.memory) * m.progress;
    }),
    kind("leak that gets faster", |d, m, s| s.memory = (1.0 - d.memory) * m.progress * m.progress),
    kind("burst of logs", |d, m, s| {
        s.disk = (1.0 - d.disk) * m.since.max(0.0) / (30.0 + d.lasts / 5.0);
    }),
    kind("creeping errors", |_, m, s| s.errors = 0.35 * m.progress.powf(1.5)),
    kind("lock contention", |_, m, s| {
        s.work = 1.0 + 3.0 * m.progress;
        s.capacity = (1.0 / (1.0 + 1.5 * m.progress)).max(0.2);
    }),
    kind("stolen processor", |_, m, s| {
        s.capacity = (1.0 - 0.7 * m.progress).max(0.2);
        s.processor = 0.25 * m.progress.min(1.0);
    }),
    kind("bursts that grow", |d, m, s| {
        if m.row % 45.0 < 12.0 {
            s.traffic = 1.0 + 1.2 * m.progress * d.headroom;
        }
    }),
    kind("dependency that holds connections", |_, m, s| {
        s.dependency = 1.0 + 20.0 * m.progress;
        s.leaked = 0.6 * m.progress.min(1.6);
    }),
    kind("disk in stairs", |d, m, s| s.disk = (1.0 - d.disk) * (12.0 * m.progress).floor() / 12.0),
    kind("memory plateau", |d, m, s| s.memory = (0.82 - d.memory) * m.progress.min(1.0)),
    kind("disk plateau", |d, m, s| s.disk = (0.85 - d.disk) * m.progress.min(1.0)),
    kind("slow dependency that recovers", |_, m, s| {
        if (0.0..60.0).contains(&m.since) {
            s.dependency = 5.0;
        }
    }),
    kind("errors that pass", |_, m, s| {
        if (0.0..15.0).contains(&m.since) {
            s.errors = 0.06;
        }
    }),
    kind("slower from now on", |_, m, s| {
        if m.since >= 0.0 {
            s.dependency = 2.2;
        }
    }),
    kind("traffic in steps", |_, m, s| s.traffic = 1.0 + 0.25 * ((m.row / 300.0).floor() % 2.0)),
    kind("connections to a plateau", |_, m, s| s.leaked = 0.4 * m.progress.min(1.0)),
    kind("long job", |_, m, s| {
        if (0.0..90.0).contains(&m.since) {
            s.processor = 0.45;
        }
    }),
    kind("clean-up of a full disk", |d, m, s| {
        s.disk = 0.43 + 0.5 * (m.row % (3.0 * d.rotation)) / (3.0 * d.rotation) - d.disk;
    }),
];

/// What a random fault works on.
#[derive(Clone, Copy)]
enum Mechanism {
    Memory,
    Disk,
    Pool,
    Traffic,
    Capacity,
    Dependency,
    Work,
    Errors,
    Processor,
    Retries,
}

/// How it goes over time.
#[derive(Clone, Copy)]
enum Shape {
    Line,
    Square,
    Root,
    Stairs,
    Sigmoid,
    Jump,
    Bursts,
    Teeth,
}

/// How it ends.
#[derive(Clone, Copy)]
enum End {
    Fatal,
    Level,
    Recovers,
    ComesAgain,
}

/// A fault of a random mechanism, shape and end.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    mechanism: Mechanism,
    shape: Shape,
    end: End,
    onset: f64,
    lasts: f64,
    top: f64,
    period: f64,
    size: f64,
}

impl Fault {
    /// One to three faults; a second one often goes with the first.
    pub(crate) fn draw(onset: f64, longest: f64, r: &mut Noise) -> Vec<Self> {
        use Mechanism as M;
        let mechanisms = [
            M::Memory,
            M::Disk,
            M::Pool,
            M::Traffic,
            M::Capacity,
            M::Dependency,
            M::Work,
            M::Errors,
            M::Processor,
            M::Retries,
        ];
        use Shape as S;
        let shapes = [S::Line, S::Square, S::Root, S::Stairs, S::Sigmoid, S::Jump, S::Bursts, S::Teeth];
        let count = r.one_of(&[1, 1, 1, 2, 2, 3]);
        let mut all: Vec<Self> = Vec::new();
        for _ in 0..count {
            let mechanism = r.one_of(&mechanisms);
            match all.first().copied() {
                Some(first) if r.is(0.5) => {
                    all.push(Self { mechanism, size: r.between(0.4, 1.0), ..first });
                }
                _ => all.push(Self {
                    mechanism,
                    shape: r.one_of(&shapes),
                    end: r.one_of(&[End::Fatal, End::Fatal, End::Level, End::Recovers, End::ComesAgain]),
                    onset: r.between(0.5 * onset, onset + 200.0),
                    lasts: r.log_between(30.0, longest),
                    top: r.between(0.25, 0.85),
                    period: r.between(30.0, 500.0).floor(),
                    size: r.between(0.7, 1.3),
                }),
            }
        }
        all
    }

    pub(crate) fn work(&self, row: usize, plant: &Plant, s: &mut Strain) {
        let row = row as f64;
        let mut t = (row - self.onset) / self.lasts;
        if t < 0.0 {
            return;
        }
        t = match self.end {
            End::Fatal => t,
            End::Level => t.min(self.top),
            End::Recovers if t > self.top => (self.top - 8.0 * (t - self.top)).max(0.0),
            End::Recovers => t,
            End::ComesAgain => (t % 1.0) * self.top,
        }
        .min(1.6);
        let within = (row % self.period) / self.period;
        let v = self.size
            * match self.shape {
                Shape::Line => t,
                Shape::Square => t * t,
                Shape::Root => t.sqrt(),
                Shape::Stairs => (8.0 * t).floor() / 8.0,
                Shape::Sigmoid => 1.15 / (1.0 + (-10.0 * (t - 0.5)).exp()),
                Shape::Jump => f64::from(u8::from(t > 0.15)),
                Shape::Bursts => t * if within < 0.3 { 1.0 } else { 0.3 },
                Shape::Teeth => t * (0.7 + 0.3 * within),
            };
        match self.mechanism {
            Mechanism::Memory => s.memory += (1.02 - plant.memory) * v,
            Mechanism::Disk => s.disk += (1.02 - plant.disk) * v,
            Mechanism::Pool => s.leaked = (s.leaked + v).min(1.2),
            Mechanism::Traffic => s.traffic *= 1.0 + 1.4 * v * plant.headroom(),
            Mechanism::Capacity => s.capacity *= (1.0 - 0.9 * v).max(0.08),
            Mechanism::Dependency => s.dependency *= 1.0 + 60.0 * v * v,
            Mechanism::Work => {
                s.work *= 1.0 + 4.0 * v;
                s.capacity /= 1.0 + 2.0 * v;
            }
            Mechanism::Errors => s.errors += 0.3 * v,
            Mechanism::Processor => {
                s.processor += 0.4 * v;
                s.capacity *= (1.0 - 0.6 * v).max(0.1);
            }
            Mechanism::Retries => {
                s.errors += 0.08 * v;
                s.traffic *= 1.0 + 0.8 * v;
            }
        }
    }
}
