//! Lints that are switched off in code, counted per crate in a list that may only shrink.

use std::collections::{BTreeMap, BTreeSet};

use super::sizes::before_tests;
use super::{Finding, Source};

/// Findings where a crate switches a lint off more, or less, often than the list says.
pub fn judge(sources: &[Source], allowed: &str) -> Vec<Finding> {
    let counts = counts(sources);
    let allowed: BTreeMap<&str, usize> = entries(allowed).collect();
    let mut findings = Vec::new();
    for (key, &count) in &counts {
        let limit = allowed.get(key.as_str()).copied().unwrap_or(0);
        if count > limit {
            findings.push(Finding::new(
                "lint",
                key,
                format!("is switched off {count} times, allowed are {limit} in xtask/allow-lints.txt: mend the code, or raise the line and say why in review"),
            ));
        }
    }
    for (key, limit) in allowed {
        let count = counts.get(key).copied().unwrap_or(0);
        if count < limit {
            findings.push(Finding::new(
                "lint",
                key,
                format!("is switched off {count} times, listed are {limit}: run `cargo xtask tidy --shrink`"),
            ));
        }
    }
    findings
}

/// The list, lowered to what is still needed.
pub fn shrunk(sources: &[Source], allowed: &str) -> String {
    let counts = counts(sources);
    rewritten(allowed, |key, limit| {
        let count = counts.get(key).copied().unwrap_or(0).min(limit);
        (count > 0).then_some(count)
    })
}

/// `crate:lint` → how often it is switched off outside tests.
fn counts(sources: &[Source]) -> BTreeMap<String, usize> {
    let tests = test_modules(sources);
    let mut counts = BTreeMap::new();
    for source in sources.iter().filter(|s| s.extension() == "rs" && !tests.contains(&s.path)) {
        let Some(home) = home(&source.path) else { continue };
        for lint in switched_off(before_tests(&source.text)) {
            *counts.entry(format!("{home}:{lint}")).or_default() += 1;
        }
    }
    counts
}

/// The crate of a source file that is not a test or a benchmark.
fn home(path: &str) -> Option<&str> {
    let in_crates = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
    match in_crates {
        Some((name, _)) => Some(name),
        None if path.starts_with("xtask/src/") => Some("xtask"),
        None if path.starts_with("ui/embed/") => Some("ui"),
        None => None,
    }
}

/// Paths of modules in files of their own that stand below `#[cfg(test)]`.
fn test_modules(sources: &[Source]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for source in sources.iter().filter(|s| s.extension() == "rs") {
        let Some((folder, file)) = source.path.rsplit_once('/') else { continue };
        let below = match file {
            "lib.rs" | "main.rs" => folder.to_owned(),
            _ => source.path.trim_end_matches(".rs").to_owned(),
        };
        for after in source.text.split("#[cfg(test)]").skip(1) {
            let mut lines =
                after.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let name = lines.next().and_then(|line| line.rsplit_once("mod ")?.1.strip_suffix(';'));
            paths.extend(name.map(|name| format!("{below}/{name}.rs")));
        }
    }
    paths
}

/// The lints in `#[allow(…)]`, `#[expect(…)]` and their inner forms, where they begin a line.
fn switched_off(text: &str) -> Vec<String> {
    let mut lints = Vec::new();
    for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (at, _) in text.match_indices(opening) {
            let before = text.get(..at).unwrap_or_default();
            if !before.rsplit('\n').next().unwrap_or_default().trim().is_empty() {
                continue;
            }
            let inside = text.get(at + opening.len()..).unwrap_or_default();
            let inside = inside.split([')', '"']).next().unwrap_or_default();
            let names = inside.split(',').map(str::trim).filter(|name| !name.is_empty());
            lints.extend(names.filter(|name| !name.starts_with("reason")).map(str::to_owned));
        }
    }
    lints
}

/// `key number` per line of an allow-list; `#` begins a comment.
pub fn entries(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.lines().filter_map(entry)
}

fn entry(line: &str) -> Option<(&str, usize)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (key, number) = line.rsplit_once(' ')?;
    Some((key.trim(), number.parse().ok()?))
}

/// An allow-list with each number replaced, and lines without one taken out; comments stay.
pub fn rewritten(list: &str, number: impl Fn(&str, usize) -> Option<usize>) -> String {
    let mut text = String::new();
    for line in list.lines() {
        let kept = match entry(line) {
            None => Some(line.to_owned()),
            Some((key, limit)) => number(key, limit).map(|lower| format!("{key} {lower}")),
        };
        if let Some(kept) = kept {
            text.push_str(&kept);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn lints_are_read_out_of_all_forms() {
        let text = "#[expect(clippy::expect_used, reason = \"a (b), c\")]\n#![allow(dead_code, unused)]\n\
                    #[expect(\n    clippy::panic,\n    reason = \"x\"\n)]";
        assert_eq!(switched_off(text), ["dead_code", "unused", "clippy::expect_used", "clippy::panic"]);
    }

    #[test]
    fn only_product_code_counts() {
        let off = "#[allow(dead_code)]\n";
        let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{ {off} }}");
        for (path, text, found) in [
            ("crates/store/src/a.rs", off, 1),
            ("crates/store/src/a.rs", tests.as_str(), 0),
            ("crates/store/tests/a.rs", off, 0),
            ("xtask/src/a.rs", off, 1),
        ] {
            assert_eq!(judge(&[source(path, text)], "").len(), found, "{path}");
        }
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_a_test() {
        let off = "#![allow(dead_code)]\n";
        let sources = [
            source("crates/store/src/lib.rs", "mod lease;\n#[cfg(test)]\nmod testing;\n"),
            source("crates/store/src/testing.rs", off),
            source("crates/store/src/lease.rs", "#[cfg(test)]\n#[path = \"x\"]\npub(crate) mod tests;\n"),
            source("crates/store/src/lease/tests.rs", off),
        ];
        assert_eq!(judge(&sources, ""), Vec::new());
    }

    #[test]
    fn the_list_binds_both_ways() {
        let sources = [source("crates/store/src/a.rs", "#[allow(dead_code)]\n#[allow(dead_code)]\n")];
        for (list, findings) in
            [("", 1), ("store:dead_code 1", 1), ("store:dead_code 2", 0), ("store:dead_code 3", 1)]
        {
            assert_eq!(judge(&sources, list).len(), findings, "{list}");
        }
        assert_eq!(shrunk(&sources, "# why\nstore:dead_code 3\nui:unused 1\n"), "# why\nstore:dead_code 2\n");
    }
}
