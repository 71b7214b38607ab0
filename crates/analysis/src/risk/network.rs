//! A small network over the precursors that can only rise with them.
//!
//! score = Σ straight · z + Σₖ shareₖ · s(offsetₖ + Σ weightₖ · z), where z is a figure less its middle, over its spread,
//! held within [`FAR`], and s(x) = x / √(1 + x²). All shares, and all weights but those of traffic, are at least 0, so that
//! a figure that gets worse never lowers the score (monotone networks with non-negative weights: Sill 1997). Without
//! neurons it is a logistic regression.

use crate::precursor::FIGURES;

/// So many spreads from its middle a figure counts no further.
const FAR: f32 = 6.0;

/// A network of so many neurons.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<const NEURONS: usize> {
    /// Middle and spread of each figure; the spread is above 0.
    pub scale: [(f32, f32); FIGURES],
    /// What each figure adds by itself.
    pub straight: [f32; FIGURES],
    /// What each figure adds to each neuron.
    pub weights: [[f32; NEURONS]; FIGURES],
    /// What each neuron says where every figure is at its middle.
    pub offsets: [f32; NEURONS],
    /// What each neuron counts.
    pub shares: [f32; NEURONS],
}

impl<const NEURONS: usize> Network<NEURONS> {
    /// The figures on the scale of the network.
    pub fn scaled(&self, figures: &[f32; FIGURES]) -> [f32; FIGURES] {
        let mut scaled = *figures;
        for (value, (middle, spread)) in scaled.iter_mut().zip(&self.scale) {
            *value = ((*value - middle) / spread).clamp(-FAR, FAR);
        }
        scaled
    }

    /// What goes into each neuron.
    pub fn heard(&self, scaled: &[f32; FIGURES]) -> [f32; NEURONS] {
        let mut heard = self.offsets;
        for (value, weights) in scaled.iter().zip(&self.weights) {
            for (sum, weight) in heard.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        heard
    }

    /// How near a failure is: log-odds without the constant of a horizon.
    pub fn score(&self, figures: &[f32; FIGURES]) -> f32 {
        let scaled = self.scaled(figures);
        let straight: f32 = self.straight.iter().zip(&scaled).map(|(w, z)| w * z).sum();
        let bent: f32 = self.shares.iter().zip(self.heard(&scaled)).map(|(s, x)| s * bend(x)).sum();
        straight + bent
    }
}

/// What a neuron says: rises from −1 to 1. Without transcendental functions, so that it is the same on every machine.
pub fn bend(heard: f32) -> f32 {
    heard / (1.0 + heard * heard).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_what_goes_straight_and_what_is_bent() {
        let mut network = Network::<2> {
            scale: [(0.0, 1.0); FIGURES],
            straight: [0.0; FIGURES],
            weights: [[0.0; 2]; FIGURES],
            offsets: [0.0, -0.75],
            shares: [2.0, 5.0],
        };
        let mut figures = [0.0; FIGURES];
        assert!((network.score(&figures) + 3.0).abs() < 1e-6, "5 · s(−0.75) = −3");
        network.scale[3] = (1.0, 2.0);
        network.straight[3] = 0.5;
        network.weights[3] = [0.0, 0.75];
        figures[3] = 5.0;
        assert!((network.score(&figures) - 4.0).abs() < 1e-6, "0.5 · 2 + 5 · s(0.75)");
        network.weights[3] = [0.0, 0.0];
        figures[3] = 1e9;
        assert!(network.score(&figures).abs() < 1e-6, "0.5 · 6 − 3: six spreads at most");
    }
}
