//! Pages that people rely on: the README's commands, numbered decisions, change notes, and what each crate says of
//! itself.

use std::collections::BTreeSet;

use super::{Finding, Source};

/// The commands that the README must show.
const COMMANDS: [&str; 2] = ["cargo xtask up", "cargo xtask test"];

/// The kinds of change notes.
const KINDS: [&str; 6] = ["added", "changed", "deprecated", "fixed", "removed", "security"];

/// Findings on all pages.
pub fn judge(sources: &[Source]) -> Vec<Finding> {
    let mut findings = readme(sources);
    findings.extend(decisions(sources));
    for source in sources {
        findings.extend(change_note(&source.path));
        findings.extend(crate_page(source));
        findings.extend(manifest(source));
    }
    findings
}

fn readme(sources: &[Source]) -> Vec<Finding> {
    let text = sources.iter().find(|s| s.path == "README.md").map_or("", |s| s.text.as_str());
    let missing = COMMANDS.into_iter().filter(|command| !text.contains(command));
    missing.map(|command| Finding::new("readme", "README.md", format!("does not show `{command}`"))).collect()
}

/// Decisions are numbered from 0001 without a gap, and each begins with a title.
fn decisions(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbers = BTreeSet::new();
    for source in sources {
        let Some(name) = source.path.strip_prefix("docs/adr/") else { continue };
        if name == "README.md" {
            continue;
        }
        let number = name
            .split_once('-')
            .and_then(|(number, _)| (number.len() == 4).then(|| number.parse::<usize>().ok())?);
        match number {
            None => findings.push(Finding::new("adr", &source.path, "is called `NNNN-title.md`")),
            Some(number) if !numbers.insert(number) => {
                findings.push(Finding::new("adr", &source.path, "another decision has this number"));
            }
            Some(_) if !source.text.starts_with("# ") => {
                findings.push(Finding::new("adr", &source.path, "begins with a title (`# …`)"));
            }
            Some(_) => {}
        }
    }
    let gap = numbers.iter().zip(1..).find(|&(&number, expected)| number != expected);
    if let Some((_, expected)) = gap {
        findings.push(Finding::new("adr", "docs/adr", format!("there is no decision {expected:04}")));
    }
    findings
}

fn change_note(path: &str) -> Option<Finding> {
    let name = path.strip_prefix("changelog.d/")?;
    if name == "README.md" {
        return None;
    }
    let parts: Vec<&str> = name.split('.').collect();
    let good = match parts.as_slice() {
        [issue, kind, "md"] => issue.chars().all(|c| c.is_ascii_digit()) && KINDS.contains(kind),
        [issue, kind, part, "md"] => {
            issue.chars().all(|c| c.is_ascii_digit()) && KINDS.contains(kind) && !part.is_empty()
        }
        _ => false,
    };
    (!good).then(|| {
        Finding::new(
            "changelog",
            path,
            format!("is called `<issue>.<kind>.md`, kind one of {}", KINDS.join(", ")),
        )
    })
}

/// The first page of a crate says what the crate is and what it will never do.
fn crate_page(source: &Source) -> Option<Finding> {
    let rest = source.path.strip_prefix("crates/")?;
    let (_, file) = rest.split_once('/')?;
    let states = source.text.starts_with("//!") && source.text.contains("**Invariant:**");
    (matches!(file, "src/lib.rs" | "src/main.rs") && !states)
        .then(|| Finding::new("crate", &source.path, "begins with `//!` and states its `**Invariant:**`"))
}

/// Every member takes its lints from the workspace.
fn manifest(source: &Source) -> Option<Finding> {
    let member = source.path.starts_with("crates/")
        || source.path.starts_with("xtask/")
        || source.path.starts_with("ui/");
    let inherits = source.text.contains("[lints]\nworkspace = true");
    (member && source.path.ends_with("/Cargo.toml") && !inherits)
        .then(|| Finding::new("lint", &source.path, "has no `[lints] workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn the_readme_shows_both_commands() {
        assert_eq!(readme(&[]).len(), 2);
        assert_eq!(readme(&[source("README.md", "cargo xtask up\ncargo xtask test")]).len(), 0);
    }

    #[test]
    fn decisions_are_numbered_without_a_gap() {
        for (files, found) in [
            (vec!["0001-a.md", "0002-b.md"], 0),
            (vec!["0001-a.md", "0003-b.md"], 1),
            (vec!["0001-a.md", "0001-b.md"], 1),
            (vec!["first.md"], 1),
            (vec!["README.md"], 0),
        ] {
            let sources: Vec<Source> =
                files.iter().map(|f| source(&format!("docs/adr/{f}"), "# A\n")).collect();
            assert_eq!(decisions(&sources).len(), found, "{files:?}");
        }
        assert_eq!(decisions(&[source("docs/adr/0001-a.md", "no title")]).len(), 1);
    }

    #[test]
    fn change_notes_are_named_by_issue_and_kind() {
        for (name, good) in [
            ("2.added.md", true),
            ("2.added.demo.md", true),
            ("2.md", false),
            ("x.added.md", false),
            ("2.new.md", false),
        ] {
            assert_eq!(change_note(&format!("changelog.d/{name}")).is_none(), good, "{name}");
        }
    }

    #[test]
    fn a_crate_says_what_it_is_and_takes_the_lints_of_the_house() {
        assert!(crate_page(&source("crates/a/src/lib.rs", "//! A.\n//! **Invariant:** b")).is_none());
        assert!(crate_page(&source("crates/a/src/lib.rs", "//! A.")).is_some());
        assert!(crate_page(&source("crates/a/src/b.rs", "")).is_none());
        assert!(manifest(&source("crates/a/Cargo.toml", "[lints]\nworkspace = true\n")).is_none());
        assert!(manifest(&source("crates/a/Cargo.toml", "")).is_some());
    }
}
