//! A recurrent network (gated recurrent units, Cho et al. 2014) over what is measured itself: it makes its own figures.
//!
//! A step is the mean of four rows. Every run is read from its start; learning goes back through 64 steps (truncated
//! backpropagation through time, Werbos 1990) and asks the same as every other learner ([`asked`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::boost::{HORIZONS, Row};
use crate::monotone::{adam, asked, counts};
use crate::noise::Noise;
use crate::plant::NAMES;
use crate::runs::{Plan, Run};

/// Rows per step, steps that are learned at once, runs that are learned together, times each run is read.
const ROWS: usize = 4;
const STEPS: usize = 64;
const RUNS: usize = 16;
const ROUNDS: usize = 12;
const RATE: f32 = 4e-3;

/// What goes in, and how many units there are.
const INPUTS: usize = NAMES.len() + 1;
const UNITS: usize = 24;
/// Gates of all units: update, reset, new.
const GATES: usize = 3 * UNITS;

type Inputs = [f32; INPUTS];
type Units = [f32; UNITS];
type Gates = [f32; GATES];

/// Everything that is learned; also the slope of the loss by it, and the memory of both.
#[derive(Clone)]
struct Parts {
    inputs: [Gates; INPUTS],
    units: [Gates; UNITS],
    offsets: Gates,
    shares: Units,
    odds: [f32; HORIZONS.len()],
}

impl Parts {
    const NONE: Self = Self {
        inputs: [[0.0; GATES]; INPUTS],
        units: [[0.0; GATES]; UNITS],
        offsets: [0.0; GATES],
        shares: [0.0; UNITS],
        odds: [0.0; HORIZONS.len()],
    };

    fn start(r: &mut Noise) -> Self {
        let mut parts = Self::NONE;
        parts.all().for_each(|value| *value = 0.2 * r.normal() as f32);
        // At first it remembers long.
        parts.offsets[..UNITS].fill(2.0);
        parts.odds = [-2.0; HORIZONS.len()];
        parts
    }

    fn all(&mut self) -> impl Iterator<Item = &mut f32> {
        let between = self.inputs.as_flattened_mut().iter_mut().chain(self.units.as_flattened_mut());
        between.chain(&mut self.offsets).chain(&mut self.shares).chain(&mut self.odds)
    }

    fn score(&self, units: &Units) -> f32 {
        self.shares.iter().zip(units).map(|(s, u)| s * u).sum()
    }

    fn step(&self, inputs: &Inputs, before: &Units) -> Step {
        let (mut from_inputs, mut from_units) = (self.offsets, [0.0; GATES]);
        add(&mut from_inputs, inputs, &self.inputs);
        add(&mut from_units, before, &self.units);
        let mut step = Step {
            inputs: *inputs,
            before: *before,
            gates: [0.0; GATES],
            held: [0.0; UNITS],
            units: [0.0; UNITS],
        };
        for k in 0..UNITS {
            let keep = odds(from_inputs[k] + from_units[k]);
            let reset = odds(from_inputs[UNITS + k] + from_units[UNITS + k]);
            step.held[k] = from_units[2 * UNITS + k];
            let new = (from_inputs[2 * UNITS + k] + reset * step.held[k]).tanh();
            (step.gates[k], step.gates[UNITS + k], step.gates[2 * UNITS + k]) = (keep, reset, new);
            step.units[k] = keep * before[k] + (1.0 - keep) * new;
        }
        step
    }
}

/// A step as it went.
struct Step {
    inputs: Inputs,
    before: Units,
    gates: Gates,
    /// What of the units before goes into what is new.
    held: Units,
    units: Units,
}

fn odds(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn add(sums: &mut Gates, values: &[f32], weights: &[Gates]) {
    for (value, weights) in values.iter().zip(weights) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += value * weight;
        }
    }
}

/// A run as it is read: inputs of each step, rows left after it, weight.
struct Course {
    steps: Vec<Inputs>,
    left: Vec<f32>,
    weight: f32,
}

/// What is measured, without units: shares as they are, the rest as logarithms against its own first 120 rows, the slowest
/// requests against ten seconds as well. What is not known is ordinary.
fn course(run: &Run) -> Course {
    const FIRST: usize = 120;
    let rows: Vec<[f64; NAMES.len()]> = run.measured().collect();
    let usual: [f64; NAMES.len()] = std::array::from_fn(|j| {
        rows.iter().take(FIRST).map(|r| r[j]).sum::<f64>() / FIRST.min(rows.len()) as f64
    });
    let steps = rows.chunks_exact(ROWS).map(|rows| {
        let mut inputs = [0.0; INPUTS];
        for (j, (name, usual)) in NAMES.iter().zip(usual).enumerate() {
            let now = rows.iter().map(|r| r[j]).sum::<f64>() / ROWS as f64;
            let input = match *name {
                "cpu" | "mem" | "conns" | "disk" => 4.0 * (now - 0.5),
                "error_rate" => 0.5 * (now.max(1e-4) / 0.01).ln(),
                "queue" => ((now + 10.0) / (usual + 10.0)).ln(),
                _ => 2.0 * (now.max(1e-9) / usual.max(1e-9)).ln(),
            };
            if *name == "lat_p99" {
                inputs[NAMES.len()] = known(0.5 * (now.max(1e-9) / 10.0).ln());
            }
            inputs[j] = known(input);
        }
        inputs
    });
    let steps: Vec<Inputs> = steps.collect();
    let left = (0..steps.len()).map(|s| run.left(ROWS * s + ROWS - 1)).collect();
    Course { steps, left, weight: run.family.weight() }
}

fn known(input: f64) -> f32 {
    if input.is_finite() { input.clamp(-6.0, 6.0) as f32 } else { 0.0 }
}

/// The runs that rows come from.
fn courses(rows: &[Row], plan: &Plan) -> BTreeMap<u32, Course> {
    let wanted: BTreeSet<u32> = rows.iter().map(|r| r.place.0).collect();
    let jobs = plan.jobs();
    let of = |at: u32| jobs.get(at as usize).map(|(family, seed)| (at, course(&Run::make(*family, *seed))));
    wanted.into_iter().filter_map(of).collect()
}

/// Learns from the runs of the rows of one plan and scores these and the rows of another.
pub(crate) fn scores(learned: &[Row], judged: &[Row]) -> [Vec<f32>; 2] {
    let runs = courses(learned, &Plan::learned());
    let parts = train(&runs.values().collect::<Vec<_>>());
    let of_judged = courses(judged, &Plan::judged());
    [(learned, runs), (judged, of_judged)].map(|(rows, runs)| {
        let read: BTreeMap<u32, Vec<f32>> = runs.iter().map(|(at, run)| (*at, read(&parts, run))).collect();
        rows.iter().map(|row| read[&row.place.0][(row.place.1 as usize + 1) / ROWS - 1]).collect()
    })
}

fn read(parts: &Parts, run: &Course) -> Vec<f32> {
    let mut units = [0.0; UNITS];
    let score = |inputs| {
        units = parts.step(inputs, &units).units;
        parts.score(&units)
    };
    run.steps.iter().map(score).collect()
}

fn train(runs: &[&Course]) -> Parts {
    let mut r = Noise::new(13);
    let counts = counts(runs.iter().flat_map(|run| run.left.iter().map(|left| (*left, run.weight))));
    let mut parts = Parts::start(&mut r);
    let (mut first, mut second) = (Parts::NONE, Parts::NONE);
    let mut order: Vec<&Course> = runs.to_vec();
    let mut step = 0.0_f32;
    for round in 0..ROUNDS {
        let rate = RATE * (1.0 - round as f32 / ROUNDS as f32);
        for at in (1..order.len()).rev() {
            order.swap(at, (r.uniform() * (at + 1) as f64) as usize % (at + 1));
        }
        for group in order.chunks(RUNS) {
            let mut units = vec![[0.0; UNITS]; group.len()];
            let longest = group.iter().map(|run| run.steps.len()).max().unwrap_or(0);
            for from in (0..longest).step_by(STEPS) {
                let mut slope = Parts::NONE;
                let mut seen = 0;
                for (run, units) in group.iter().zip(&mut units) {
                    let to = run.steps.len().min(from + STEPS);
                    if from < to {
                        *units = descend(&parts, run, from..to, units, &counts, &mut slope);
                        seen += to - from;
                    }
                }
                step += 1.0;
                let size = 1.0 / seen.max(1) as f32;
                let length = size * slope.all().map(|s| *s * *s).sum::<f32>().sqrt();
                // Long steps are cut: Pascanu, Mikolov and Bengio 2013.
                let size = size / length.max(1.0);
                let memory = first.all().zip(second.all());
                for ((value, slope), (first, second)) in parts.all().zip(slope.all()).zip(memory) {
                    adam(value, size * *slope, first, second, step, rate);
                }
            }
        }
    }
    parts
}

/// Adds the slope of the loss over some steps of a run; the units after them.
fn descend(
    parts: &Parts,
    run: &Course,
    steps: std::ops::Range<usize>,
    before: &Units,
    counts: &[(f32, f32); HORIZONS.len()],
    slope: &mut Parts,
) -> Units {
    let mut went: Vec<Step> = Vec::with_capacity(steps.len());
    for inputs in &run.steps[steps.clone()] {
        let units = went.last().map_or(*before, |s| s.units);
        went.push(parts.step(inputs, &units));
    }
    let mut of_units = [0.0; UNITS];
    for (step, at) in went.iter().zip(steps).rev() {
        let said = parts.score(&step.units);
        let of_score = asked(said, run.left[at], run.weight, &parts.odds, counts, &mut slope.odds);
        let (mut of_inputs, mut of_held) = ([0.0; GATES], [0.0; GATES]);
        let mut of_before = [0.0; UNITS];
        for k in 0..UNITS {
            slope.shares[k] += of_score * step.units[k];
            let of_unit = of_units[k] + of_score * parts.shares[k];
            let [keep, reset, new] = [step.gates[k], step.gates[UNITS + k], step.gates[2 * UNITS + k]];
            let of_new = of_unit * (1.0 - keep) * (1.0 - new * new);
            let of_keep = of_unit * (step.before[k] - new) * keep * (1.0 - keep);
            let of_reset = of_new * step.held[k] * reset * (1.0 - reset);
            for (gate, value) in [of_keep, of_reset, of_new].into_iter().enumerate() {
                of_inputs[gate * UNITS + k] = value;
                of_held[gate * UNITS + k] = value;
                slope.offsets[gate * UNITS + k] += value;
            }
            of_held[2 * UNITS + k] *= reset;
            of_before[k] = of_unit * keep;
        }
        for (value, slope) in step.inputs.iter().zip(&mut slope.inputs) {
            slope.iter_mut().zip(&of_inputs).for_each(|(s, g)| *s += value * g);
        }
        for (value, slope) in step.before.iter().zip(&mut slope.units) {
            slope.iter_mut().zip(&of_held).for_each(|(s, g)| *s += value * g);
        }
        for (sum, weights) in of_before.iter_mut().zip(&parts.units) {
            *sum += weights.iter().zip(&of_held).map(|(w, g)| w * g).sum::<f32>();
        }
        of_units = of_before;
    }
    went.last().map_or(*before, |s| s.units)
}
