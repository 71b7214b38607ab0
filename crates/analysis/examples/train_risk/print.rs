//! The model as Rust source.

use echobase_analysis::precursor::{FIGURES, PER_ROLE};

use crate::boost::{Booster, HORIZONS};
use crate::curve::Curves;
use crate::engines::{self, Fitted};

/// Horizons whose curves ship. How often something fails within longer ones depends on how often it fails at all, which no
/// generator knows.
const SHIPPED: usize = 5;

pub(crate) fn weights(version: &str, booster: &Booster, ordinary: &[f32; FIGURES], curves: &Curves) {
    println!("//! The learned model that ships: printed by the example `train_risk`, not edited by hand.");
    println!("//!\n//! What it was learned from and measured at stands in `docs/guide/analysis.md`.\n");
    println!("use super::model::{{Curve, Tree}};\n");
    println!("pub(super) const VERSION: &str = \"{version}\";\n");
    println!("#[rustfmt::skip]\npub(super) static KNOTS: [f32; {}] = [", curves.knots.len());
    println!("    {},\n];\n", list(&curves.knots));
    println!("#[rustfmt::skip]\npub(super) static CURVES: [Curve; {SHIPPED}] = [");
    for (horizon, curve) in HORIZONS.into_iter().zip(&curves.of_horizon).take(SHIPPED) {
        println!("    Curve {{ points: {horizon:?}, probabilities: &[{}] }},", list(curve));
    }
    println!("];\n\n#[rustfmt::skip]\npub(super) static ORDINARY: [f32; {}] = [", ordinary.len());
    for role in ordinary.chunks(PER_ROLE) {
        println!("    {},", list(role));
    }
    println!("];\n\nconst fn tree(questions: [(u8, f32); 15], answers: [f32; 16]) -> Tree {{");
    println!("    Tree {{ questions, answers }}\n}}\n");
    println!("#[rustfmt::skip]\npub(super) static TREES: [Tree; {}] = [", booster.trees.len());
    for tree in &booster.trees {
        let questions: Vec<String> =
            tree.questions.iter().map(|(f, t)| format!("({f}, {})", short(*t))).collect();
        println!("    tree([{}], [{}]),", questions.join(", "), list(&tree.answers));
    }
    println!("];");
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
