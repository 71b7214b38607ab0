//! File sizes: an aim, a hard stop, and a list of exceptions that may only shrink.

use std::collections::BTreeMap;

use super::{Finding, Source};

/// Files should stay below this many lines.
pub const AIM: usize = 400;

/// Files must stay below this many lines.
const STOP: usize = 800;

/// What counts as source.
const EXTENSIONS: [&str; 8] = ["rs", "ts", "vue", "mjs", "js", "css", "py", "html"];

/// Findings, and the number of files above the aim.
pub fn judge(sources: &[Source], allowed: &str) -> (Vec<Finding>, usize) {
    let sizes = sizes(sources);
    let allowed = list(allowed);
    let mut findings = Vec::new();
    for (&path, &lines) in &sizes {
        match allowed.get(path) {
            None if lines > STOP => findings.push(Finding::new(
                "size",
                path,
                format!("{lines} lines without tests; the hard stop is {STOP}: which second noun is inside?"),
            )),
            Some(&limit) if lines > limit => findings.push(Finding::new(
                "size",
                path,
                format!(
                    "{lines} lines; its allowance in xtask/allow-large.txt is {limit} and may only shrink"
                ),
            )),
            _ => {}
        }
    }
    for (path, limit) in allowed {
        let lines = sizes.get(path).copied().unwrap_or(0);
        if lines <= STOP {
            findings.push(Finding::new(
                "size",
                path,
                "needs its allowance no more: run `cargo xtask tidy --shrink`",
            ));
        } else if lines < limit {
            findings.push(Finding::new(
                "size",
                path,
                format!("shrank to {lines} lines from {limit}: run `cargo xtask tidy --shrink`"),
            ));
        }
    }
    (findings, sizes.values().filter(|&&lines| lines > AIM).count())
}

/// The list of exceptions, lowered to what is still needed.
pub fn shrunk(sources: &[Source], allowed: &str) -> String {
    let sizes = sizes(sources);
    super::suppressions::rewritten(allowed, |path, limit| {
        let lines = sizes.get(path).copied().unwrap_or(0);
        (lines > STOP).then_some(lines.min(limit))
    })
}

fn sizes(sources: &[Source]) -> BTreeMap<&str, usize> {
    sources
        .iter()
        .filter(|s| EXTENSIONS.contains(&s.extension()) && !s.is_generated())
        .map(|s| (s.path.as_str(), before_tests(&s.text).lines().count()))
        .collect()
}

/// The part of a Rust file that stands above its tests; other texts have no such mark and stay whole.
pub fn before_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]").map_or(text, |at| text.get(..=at).unwrap_or(text))
}

/// `path lines` per line; `#` begins a comment.
fn list(text: &str) -> BTreeMap<&str, usize> {
    super::suppressions::entries(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, lines: usize) -> Source {
        Source { path: path.into(), text: "x\n".repeat(lines) }
    }

    #[test]
    fn sizes_are_held_against_stop_and_allowance() {
        for (lines, allowed, expected) in [
            (800, "", None),
            (801, "", Some("hard stop")),
            (900, "a.rs 900", None),
            (901, "a.rs 900", Some("may only shrink")),
            (850, "a.rs 900", Some("shrank")),
            (800, "a.rs 900", Some("no more")),
        ] {
            let (found, _) = judge(&[source("a.rs", lines)], allowed);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{lines} {allowed}: {found:?}");
            assert!(found.iter().all(|f| f.words.contains(expected.unwrap_or(""))), "{found:?}");
        }
    }

    #[test]
    fn tests_at_the_end_do_not_count_and_the_aim_is_only_counted() {
        let text = format!("{}\n#[cfg(test)]\n{}", "x\n".repeat(500), "x\n".repeat(500));
        let (found, above_aim) = judge(&[Source { path: "a.rs".into(), text }, source("b.rs", 3)], "");
        assert_eq!((found, above_aim), (Vec::new(), 1));
    }

    #[test]
    fn a_list_is_lowered_and_never_raised() {
        let sources = [source("a.rs", 850), source("b.rs", 950), source("c.rs", 10)];
        let list = "# large files\na.rs 900\nb.rs 900\nc.rs 900\n";
        assert_eq!(shrunk(&sources, list), "# large files\na.rs 850\nb.rs 900\n");
    }
}
