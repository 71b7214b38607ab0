//! Who may know whom: arrows between our crates, and the one home of each heavy dependency.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Finding, Metadata};

/// `xtask/arrows.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Floor → its crates.
    floors: BTreeMap<String, Vec<String>>,
    /// Crate → the crates of ours it may know.
    arrows: BTreeMap<String, Vec<String>>,
    /// Heavy dependency (`name` or `prefix*`) → the crates it may be in.
    homes: BTreeMap<String, Vec<String>>,
    /// Heavy dependency → the crates whose tests may have it as well.
    #[serde(default)]
    test_homes: BTreeMap<String, Vec<String>>,
}

impl Rules {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("read xtask/arrows.toml")
    }

    fn floor(&self, of: &str) -> Option<&str> {
        self.floors.iter().find(|(_, crates)| crates.iter().any(|c| c == of)).map(|(floor, _)| floor.as_str())
    }
}

/// One dependency of one of our crates.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    /// Our crate, without `echobase-`.
    from: String,
    /// What it depends on; ours without `echobase-`.
    to: String,
    /// Whether `to` is one of ours.
    ours: bool,
    /// Whether only tests use it.
    tests_only: bool,
}

/// All dependencies that the manifests of the workspace state.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let short = |name: &str| name.strip_prefix("echobase-").unwrap_or(name).to_owned();
    let mut edges = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.source.is_none()) {
        for dependency in &package.dependencies {
            let ours = dependency.path.is_some();
            edges.push(Edge {
                from: short(&package.name),
                to: if ours { short(&dependency.name) } else { dependency.name.clone() },
                ours,
                tests_only: dependency.kind.as_deref() == Some("dev"),
            });
        }
    }
    edges
}

/// Holds the manifests against the rules, and the rules against the floors.
pub fn judge(rules: &Rules, edges: &[Edge]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (from, targets) in &rules.arrows {
        for to in targets {
            if let Err(rule) = may(rules, from, to) {
                findings.push(Finding::new("arrow", format!("{from} → {to}"), rule));
            }
            let used = edges.iter().any(|e| e.ours && e.from == *from && e.to == *to);
            if !used {
                findings.push(Finding::new(
                    "arrow",
                    format!("{from} → {to}"),
                    "no manifest has it any more: take its line out of xtask/arrows.toml",
                ));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for edge in edges {
        let at = format!("{} → {}", edge.from, edge.to);
        if !seen.insert((at.clone(), edge.tests_only)) {
            continue;
        }
        if edge.ours {
            let listed = rules.arrows.get(&edge.from).is_some_and(|to| to.contains(&edge.to));
            if !listed {
                let rule = may(rules, &edge.from, &edge.to).err().unwrap_or_else(|| {
                    "it would keep to the floors, but is not in xtask/arrows.toml: a new arrow is one line \
                     there, reviewed as an architecture change"
                        .to_owned()
                });
                findings.push(Finding::new("arrow", at, rule));
            }
        } else if let Some(finding) = home(rules, edge) {
            findings.push(finding);
        }
    }
    findings
}

/// Whether the floors allow the arrow at all, and if not, the rule that it breaks.
fn may(rules: &Rules, from: &str, to: &str) -> Result<(), String> {
    let floor = |name: &str| {
        rules.floor(name).ok_or_else(|| format!("`{name}` stands on no floor in xtask/arrows.toml"))
    };
    let rule = match (floor(from)?, floor(to)?) {
        ("roof" | "ground", "ground") | ("roof", "edges" | "services" | "assets") => return Ok(()),
        ("roof", "roof") if from == "echobase" => return Ok(()),
        ("edges" | "services", "ground") => return Ok(()),
        ("services", "edges") if to == "store" => return Ok(()),
        ("ground", _) => "the ground knows only the ground",
        ("edges", _) => "edges know only the ground: declare a port and let `server` plug it in",
        ("services", _) => {
            "services know the ground and `store`, never each other: declare a port and let `server` plug it in"
        }
        ("roof", "roof") => "`server` knows nothing above it",
        _ => "arrows point down: ground, edges, services, roof",
    };
    Err(rule.to_owned())
}

/// A heavy dependency outside its home.
fn home(rules: &Rules, edge: &Edge) -> Option<Finding> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => edge.to.starts_with(prefix),
        None => edge.to == pattern,
    };
    let (pattern, homes) = rules.homes.iter().find(|(pattern, _)| matches(pattern))?;
    let in_tests = rules.test_homes.get(pattern).is_some_and(|homes| homes.contains(&edge.from));
    if homes.contains(&edge.from) || (edge.tests_only && in_tests) {
        return None;
    }
    Some(Finding::new(
        "home",
        format!("{} → {}", edge.from, edge.to),
        format!("`{pattern}` lives in {} only", homes.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        [floors]
        ground = ["types", "policy"]
        edges = ["store", "telemetry"]
        services = ["controller", "oncall"]
        roof = ["server", "echobase"]
        [arrows]
        store = ["types"]
        [homes]
        "datafusion*" = ["telemetry"]
        axum = ["server"]
        [test_homes]
        axum = ["store"]
    "#;

    fn edge(from: &str, to: &str) -> Edge {
        Edge { from: from.into(), to: to.into(), ours: true, tests_only: false }
    }

    fn foreign(from: &str, to: &str, tests_only: bool) -> Edge {
        Edge { from: from.into(), to: to.into(), ours: false, tests_only }
    }

    fn check(edges: &[Edge]) -> Vec<String> {
        judge(&Rules::parse(RULES).unwrap(), edges).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn floors_decide_which_arrows_can_be_listed_at_all() {
        let rules = Rules::parse(RULES).unwrap();
        for (from, to, ok) in [
            ("policy", "types", true),
            ("types", "store", false),
            ("store", "policy", true),
            ("store", "telemetry", false),
            ("controller", "store", true),
            ("controller", "telemetry", false),
            ("controller", "oncall", false),
            ("server", "oncall", true),
            ("echobase", "server", true),
            ("server", "echobase", false),
            ("server", "nowhere", false),
        ] {
            assert_eq!(may(&rules, from, to).is_ok(), ok, "{from} → {to}");
        }
    }

    #[test]
    fn an_arrow_that_is_not_listed_is_found_with_its_rule() {
        let found =
            check(&[edge("store", "types"), edge("controller", "telemetry"), edge("oncall", "store")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("never each other"), "{found:?}");
        assert!(found[1].contains("one line"), "{found:?}");
    }

    #[test]
    fn an_arrow_that_nobody_draws_any_more_is_found() {
        assert!(check(&[])[0].contains("take its line out"));
    }

    #[test]
    fn a_heavy_dependency_outside_its_home_is_found() {
        let used = edge("store", "types");
        let cases = [
            (foreign("telemetry", "datafusion-common", false), 0),
            (foreign("server", "datafusion", false), 1),
            (foreign("store", "axum", true), 0),
            (foreign("store", "axum", false), 1),
            (foreign("store", "serde", false), 0),
        ];
        for (case, count) in cases {
            let at = format!("{case:?}");
            assert_eq!(check(&[edge(&used.from, &used.to), case]).len(), count, "{at}");
        }
    }
}
