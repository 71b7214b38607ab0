//! The order of causes in words.

use super::{Cause, Ranking, Verdict};
use crate::words::{Quantity, number};

/// Causes that are told.
const TOLD: usize = 3;

impl Ranking {
    /// The first three causes that count, one sentence each; a sentence before them where none stands out.
    pub fn words(&self) -> Vec<String> {
        let mut out = Vec::with_capacity(TOLD + 1);
        match self.verdict {
            Verdict::Determined => {}
            Verdict::Close => out.push("The first causes are about as likely as each other.".to_owned()),
            Verdict::NotDetermined => {
                out.push("Not determined: no cause stands out from the others.".to_owned());
            }
        }
        out.extend(self.unusual().take(TOLD).map(Cause::words));
        out
    }
}

impl Cause {
    /// The cause with its reasons in one sentence.
    pub fn words(&self) -> String {
        let quantity = Quantity::guess("", &self.metric);
        let (usual, worst) = (quantity.show(self.usual), quantity.show(self.worst));
        let spreads = number(self.surprise);
        let mut text = format!(
            "{}: {} went from {usual} to {worst}, {spreads} times its usual spread",
            self.node, self.metric
        );
        if let [first, .., _] = self.path.as_slice() {
            match self.share {
                Some(share) if share < 0.95 => {
                    text.push_str(&format!(", which explains {} % of what {first} shows", percent(share)));
                }
                Some(_) => text.push_str(&format!(", enough to explain what {first} shows")),
                None => {}
            }
            text.push_str(&format!(" ({})", self.path.join(" → ")));
        }
        if let Some(change) = &self.change {
            text.push_str(&format!("; changed before: {}", change.what));
        }
        text.push('.');
        text
    }
}

fn percent(share: f64) -> u32 {
    (share * 100.0).round().clamp(0.0, 100.0) as u32
}
