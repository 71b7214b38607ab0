//! The model as Rust source.

use echobase_analysis::precursor::{FIGURES, PER_ROLE};
use echobase_analysis::risk::{NEURONS, Network};

use crate::boost::HORIZONS;
use crate::curve::Curves;
use crate::engines::{self, Fitted};

pub(crate) fn weights(version: &str, network: &Network<NEURONS>, ordinary: &[f32; FIGURES], curves: &Curves) {
    println!("//! The learned model that ships: printed by the example `train_risk`, not edited by hand.");
    println!("//!\n//! What it was learned from and measured at stands in `docs/guide/analysis.md`.\n");
    println!("use super::model::{{Curve, NEURONS}};\nuse super::network::Network;\n");
    println!("pub(super) const VERSION: &str = \"{version}\";\n");
    println!("#[rustfmt::skip]\npub(super) static KNOTS: [f32; {}] = [", curves.knots.len());
    println!("    {},\n];\n", list(&curves.knots));
    println!("#[rustfmt::skip]\npub(super) static CURVES: [Curve; {}] = [", HORIZONS.len());
    for (horizon, curve) in HORIZONS.into_iter().zip(&curves.of_horizon) {
        println!("    Curve {{ points: {horizon:?}, probabilities: &[{}] }},", list(curve));
    }
    println!("];\n\n#[rustfmt::skip]\npub(super) static ORDINARY: [f32; {}] = [", ordinary.len());
    for role in ordinary.chunks(PER_ROLE) {
        println!("    {},", list(role));
    }
    println!(
        "];\n\n#[rustfmt::skip]\npub(super) static NETWORK: Network<NEURONS> = Network {{\n    scale: ["
    );
    for of_role in network.scale.chunks(PER_ROLE) {
        let scale: Vec<String> =
            of_role.iter().map(|(m, s)| format!("({}, {})", short(*m), short(*s))).collect();
        println!("        {},", scale.join(", "));
    }
    println!("    ],\n    straight: [");
    for of_role in network.straight.chunks(PER_ROLE) {
        println!("        {},", list(of_role));
    }
    println!("    ],\n    weights: [");
    for of_figure in &network.weights {
        println!("        [{}],", list(of_figure));
    }
    println!("    ],\n    offsets: [{}],", list(&network.offsets));
    println!("    shares: [{}],\n}};", list(&network.shares));
}

pub(crate) fn wear(fitted: &Fitted) {
    println!("//! How wear ends: printed by the example `train_risk`, not edited by hand.");
    println!("//!\n//! Fitted to the 100 engines of NASA's C-MAPSS FD001, which ran to their end.\n");
    println!("use super::model::WearModel;\n");
    let offsets = engines::HORIZONS.iter().zip(fitted.offsets);
    let offsets: Vec<String> = offsets.map(|(h, o)| format!("({h:?}, {})", short(o as f32))).collect();
    println!("#[rustfmt::skip]\npub(super) const WEAR: WearModel = WearModel {{");
    println!("    offsets: &[{}],", offsets.join(", "));
    println!("    weights: [{}],\n}};", list(&fitted.weights.map(|w| w as f32)));
}

fn list(values: &[f32]) -> String {
    values.iter().map(|v| short(*v)).collect::<Vec<_>>().join(", ")
}

/// Four digits, as a literal of f32.
fn short(value: f32) -> String {
    format!("{value:.3e}").parse::<f32>().map_or_else(|_| "0.0".to_owned(), |v| format!("{v:?}"))
}
