//! Names that say nothing, paths of one machine, and work put off without an issue.

use std::env;
use std::path::Path;

use super::{Finding, Source};

/// Names that a module, a crate or a folder of ours must not have.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "core", "helper", "helpers", "misc", "manager", "managers"];

/// Words for work put off. Spelt in halves, or this file would be its own finding.
const PUT_OFF: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// Where homes of people stand on other machines. In halves for the same reason.
const HOMES: [&str; 2] = [concat!("/ho", "me/"), concat!("/Use", "rs/")];

/// Texts that stand in committed files only if somebody let his machine leak into them.
pub fn machine_paths(root: &Path) -> Vec<String> {
    let mut paths: Vec<String> = HOMES.iter().map(|&path| path.to_owned()).collect();
    paths.push(format!("{}/", root.display()));
    if let Some(home) = env::var_os("HOME").filter(|home| home.len() > 1) {
        paths.push(format!("{}/", home.to_string_lossy()));
    }
    paths
}

/// Findings in names and texts.
pub fn judge(sources: &[Source], machine_paths: &[String]) -> Vec<Finding> {
    sources
        .iter()
        .flat_map(|source| in_name(&source.path).into_iter().chain(in_text(source, machine_paths)))
        .collect()
}

fn in_name(path: &str) -> Option<Finding> {
    let ours =
        ["crates/", "ui/src/", "ui/embed/", "xtask/src/"].iter().any(|folder| path.starts_with(folder));
    if !ours {
        return None;
    }
    if path.ends_with("/mod.rs") {
        return Some(Finding::new("name", path, "a module is `name.rs` plus `name/`: no mod.rs"));
    }
    let nouns = path.split('/').map(|part| part.split_once('.').map_or(part, |(stem, _)| stem));
    let empty = nouns.into_iter().find(|noun| EMPTY_NAMES.contains(&noun.to_lowercase().as_str()))?;
    Some(Finding::new("name", path, format!("`{empty}` says nothing: what noun is it about?")))
}

fn in_text(source: &Source, machine_paths: &[String]) -> Vec<Finding> {
    if source.path.ends_with(".lock") || source.path.ends_with("package-lock.json") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let at = || format!("{}:{}", source.path, number + 1);
        if let Some(path) = machine_paths.iter().find(|path| line.contains(path.as_str())) {
            findings.push(Finding::new("machine", at(), format!("`{path}` exists on one machine only")));
        }
        let put_off = PUT_OFF.iter().find(|word| line.contains(**word));
        if let Some(word) = put_off.filter(|_| source.extension() != "md" && !names_an_issue(line)) {
            findings.push(Finding::new("put-off", at(), format!("`{word}` without an issue (`#12`)")));
        }
    }
    findings
}

fn names_an_issue(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        line.get(at + 1..).and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_wherever_ours_stand() {
        for (path, found) in [
            ("crates/store/src/util.rs", true),
            ("crates/store/src/helpers/a.rs", true),
            ("crates/core/src/lib.rs", true),
            ("crates/store/src/lease/mod.rs", true),
            ("ui/src/utils.ts", true),
            ("ui/src/common/Button.vue", true),
            ("crates/store/src/utility_bill.rs", false),
            ("docs/common.md", false),
            ("crates/store/src/lease.rs", false),
        ] {
            assert_eq!(in_name(path).is_some(), found, "{path}");
        }
    }

    #[test]
    fn machine_paths_and_work_put_off_are_found_by_line() {
        let paths = [concat!("/ho", "me/").to_owned()];
        let off = PUT_OFF[0];
        for (path, line, found) in [
            ("a.rs", format!("// {off}: later"), 1),
            ("a.rs", format!("// {off}(#12): later"), 0),
            ("a.md", format!("{off} is a word"), 0),
            ("a.toml", format!("path = \"{}ana/x\"", paths[0]), 1),
            ("Cargo.lock", format!("path = \"{}ana/x\"", paths[0]), 0),
            ("a.rs", "let route = \"/api/home\";".to_owned(), 0),
        ] {
            let source = Source { path: path.into(), text: format!("first\n{line}\n") };
            let findings = in_text(&source, &paths);
            assert_eq!(findings.len(), found, "{path}: {line}");
            assert!(findings.iter().all(|f| f.at.ends_with(":2")));
        }
    }
}
