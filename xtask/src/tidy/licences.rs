//! Licences of all dependencies against the list in `deny.toml`, so that the check runs where cargo-deny is missing.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Finding, Metadata};

/// The part of `deny.toml` that speaks about licences.
#[derive(Deserialize)]
pub struct Rules {
    licenses: Allowed,
}

#[derive(Deserialize)]
struct Allowed {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

impl Rules {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("read deny.toml")
    }
}

/// A dependency and its licence expression.
pub struct Package {
    name: String,
    licence: Option<String>,
}

/// All packages from elsewhere.
pub(super) fn packages(metadata: &Metadata) -> Vec<Package> {
    metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some())
        .map(|package| Package { name: package.name.clone(), licence: package.license.clone() })
        .collect()
}

/// Findings for packages without a licence that we may use.
pub fn judge(rules: &Rules, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let excepted = rules.licenses.exceptions.iter().find(|e| e.package == package.name);
        let may = |licence: &str| {
            rules.licenses.allow.iter().any(|a| a == licence)
                || excepted.is_some_and(|e| e.allow.iter().any(|a| a == licence))
        };
        let words = match package.licence.as_deref().map(|text| (text, satisfies(text, &may))) {
            Some((_, Some(true))) => continue,
            Some((text, Some(false))) => format!("`{text}` is not in the allow list of deny.toml"),
            Some((text, None)) => format!("`{text}` is not a licence expression"),
            None => "states no licence".to_owned(),
        };
        findings.push(Finding::new("licence", &package.name, words));
    }
    findings
}

/// Whether an SPDX expression can be satisfied with licences that `may` be used; `None` if it does not parse.
/// `/` counts as `OR`, as old manifests write it.
fn satisfies(expression: &str, may: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest, may)?;
    rest.is_empty().then_some(verdict)
}

fn either(rest: &mut &[&str], may: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut verdict = both(rest, may)?;
    while next_is(rest, "OR") {
        verdict |= both(rest, may)?;
    }
    Some(verdict)
}

fn both(rest: &mut &[&str], may: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut verdict = single(rest, may)?;
    while next_is(rest, "AND") {
        verdict &= single(rest, may)?;
    }
    Some(verdict)
}

fn single(rest: &mut &[&str], may: &dyn Fn(&str) -> bool) -> Option<bool> {
    if next_is(rest, "(") {
        let verdict = either(rest, may)?;
        return next_is(rest, ")").then_some(verdict);
    }
    let (&name, after) = rest.split_first()?;
    *rest = after;
    if matches!(name, "OR" | "AND" | "WITH" | ")") {
        return None;
    }
    if next_is(rest, "WITH") {
        let (exception, after) = rest.split_first()?;
        *rest = after;
        return Some(may(&format!("{name} WITH {exception}")));
    }
    Some(may(name))
}

fn next_is(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((&first, after)) if first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_says() {
        let may = |name: &str| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].contains(&name);
        for (expression, verdict) in [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only AND MIT", Some(false)),
            ("MIT/Apache-2.0", Some(true)),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", Some(false)),
            ("MIT AND (GPL-3.0-only OR Apache-2.0)", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("MIT WITH Some-exception", Some(false)),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT MIT", None),
            ("", None),
        ] {
            assert_eq!(satisfies(expression, &may), verdict, "{expression}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_package_only() {
        let rules = Rules::parse(
            "[licenses]\nallow = [\"MIT\"]\n[[licenses.exceptions]]\ncrate = \"a\"\nallow = [\"MPL-2.0\"]\n",
        )
        .unwrap();
        let package = |name: &str, licence: Option<&str>| Package {
            name: name.into(),
            licence: licence.map(Into::into),
        };
        let found = judge(
            &rules,
            &[
                package("a", Some("MPL-2.0")),
                package("b", Some("MPL-2.0")),
                package("c", None),
                package("d", Some("MIT")),
            ],
        );
        let at: Vec<&str> = found.iter().map(|f| f.at.as_str()).collect();
        assert_eq!(at, ["b", "c"]);
    }
}
