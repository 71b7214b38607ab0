//! Figures against what is to be reached, as one table.

use serde::Serialize;

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// From the first to the second.
    Within(f64, f64),
    /// Nothing was set: told for comparison.
    Unset,
}

/// One number of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Measured, in the unit of its reach.
    pub value: f64,
    /// Digits behind the point when it is told; it is compared unrounded.
    pub digits: usize,
    /// What it is to be.
    pub reach: Reach,
}

/// One line: what was measured, what others reach, what we are to reach, what we reach.
#[derive(Debug, PartialEq, Serialize)]
pub struct Line {
    figure: &'static str,
    baselines: &'static str,
    reach: String,
    now: String,
    values: Vec<f64>,
    met: Option<bool>,
}

impl Line {
    /// A line of one or more numbers; they are told in order, with dots between, as the name of the figure lists them.
    pub fn new(figure: &'static str, baselines: &'static str, parts: &[Part]) -> Self {
        let told = |tell: &dyn Fn(&Part) -> String| parts.iter().map(tell).collect::<Vec<_>>().join(" · ");
        let mut reaches: Vec<String> = parts.iter().map(|part| part.reach.words()).collect();
        reaches.dedup();
        let verdicts: Vec<bool> = parts.iter().filter_map(|part| part.reach.is_met(part.value)).collect();
        Self {
            figure,
            baselines,
            reach: reaches.join(" · "),
            now: told(&|part| format!("{:.*}", part.digits, part.value)),
            values: parts.iter().map(|part| part.value).collect(),
            met: (!verdicts.is_empty()).then(|| verdicts.iter().all(|met| *met)),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "–",
        }
    }
}

impl Reach {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::Within(least, most) => Some((least..=most).contains(&value)),
            Self::Unset => None,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::Within(least, most) => format!("{least} to {most}"),
            Self::Unset => "–".to_owned(),
        }
    }
}

/// The lines as a Markdown table, with the count of what is met.
pub fn text(lines: &[Line]) -> String {
    let head = ["figure", "measured baselines", "reach", "now", ""].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(lines.iter().map(|line| {
            [
                line.figure.to_owned(),
                line.baselines.to_owned(),
                line.reach.clone(),
                line.now.clone(),
                line.verdict().to_owned(),
            ]
        }))
        .collect();
    let widths: [usize; 5] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default());
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        out += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        if at == 0 {
            out += &format!("|{}|\n", widths.map(|width| "-".repeat(width + 2)).join("|"));
        }
    }
    let judged = lines.iter().filter(|line| line.met.is_some()).count();
    let met = lines.iter().filter(|line| line.met == Some(true)).count();
    out + &format!("\n{met} of {judged} figures are met.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(value: f64, reach: Reach) -> Part {
        Part { value, digits: 2, reach }
    }

    #[test]
    fn a_line_is_met_when_all_of_it_is_and_rounding_does_not_help() {
        let cases = [
            (vec![part(0.70, Reach::AtLeast(0.7)), part(1.0, Reach::AtMost(1.3))], Some(true), "0.70 · 1.00"),
            (vec![part(0.699_9, Reach::AtLeast(0.7)), part(1.0, Reach::Unset)], Some(false), "0.70 · 1.00"),
            (vec![part(1.01, Reach::Within(0.3, 1.0))], Some(false), "1.01"),
            (vec![part(f64::NAN, Reach::AtMost(1.0))], Some(false), "NaN"),
            (vec![part(3.0, Reach::Unset)], None, "3.00"),
        ];
        for (parts, met, now) in cases {
            let line = Line::new("f", "b", &parts);
            assert_eq!((line.met, line.now.as_str()), (met, now), "{parts:?}");
        }
    }

    #[test]
    fn a_reach_that_all_numbers_share_is_told_once() {
        let parts = [0.4, 0.5].map(|value| part(value, Reach::Within(0.3, 1.0)));
        assert_eq!(Line::new("f", "b", &parts).reach, "0.3 to 1");
    }

    #[test]
    fn the_table_counts_what_is_judged() {
        let lines = [
            Line::new("a", "one · two", &[part(1.0, Reach::AtLeast(1.0))]),
            Line::new("long name", "", &[part(0.0, Reach::AtLeast(1.0))]),
            Line::new("c", "", &[part(0.0, Reach::Unset)]),
        ];
        let text = text(&lines);
        assert!(text.contains("| long name |                    | ≥ 1   | 0.00 | NOT MET |"), "{text}");
        assert!(text.ends_with("\n1 of 2 figures are met.\n"), "{text}");
    }
}
