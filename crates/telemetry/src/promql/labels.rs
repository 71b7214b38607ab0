//! Labels of series, and how names of ours become names of Prometheus.

use std::sync::Arc;

/// The label that holds the name of the metric.
pub(super) const NAME: &str = "__name__";
/// The label that holds the upper bound of a bucket.
pub(super) const BOUND: &str = "le";

/// A set of labels in the order of their names. Cheap to clone. A label that is not there reads as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// From pairs in any order, of which no two have the same name. Empty values are left out.
    pub(super) fn new(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort_unstable();
        Self(pairs.into())
    }

    /// Name and value of each, in the order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a label; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// Only these.
    pub(super) fn only(&self, names: &[String]) -> Self {
        self.filtered(|name| names.iter().any(|wanted| wanted == name))
    }

    /// All but these.
    pub(super) fn without(&self, names: &[String]) -> Self {
        self.filtered(|name| names.iter().all(|other| other != name))
    }

    /// All but these and the name of the metric.
    pub(super) fn without_and_name(&self, names: &[String]) -> Self {
        self.filtered(|name| name != NAME && names.iter().all(|other| other != name))
    }

    /// All but the name of the metric.
    pub(super) fn without_name(&self) -> Self {
        self.filtered(|name| name != NAME)
    }

    /// With this label; without it if the value is empty.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        if self.get(name) == value {
            return self.clone();
        }
        let others = self.0.iter().filter(|(known, _)| **known != *name).cloned();
        Self::new(others.chain([(Arc::from(name), Arc::from(value))]).collect())
    }
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (n, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

/// The name of a metric as PromQL can write it: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(super) fn metric_name(name: &str) -> String {
    plain(name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// The name of a label as PromQL can write it: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn label_name(name: &str) -> String {
    plain(name, |c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether PromQL takes this as the name of a label.
pub(super) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && label_name(name) == name
}

fn plain(name: &str, fits: impl Fn(char) -> bool) -> String {
    let lead = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    let rest = name.chars().map(|c| if fits(c) { c } else { '_' });
    lead.chars().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_what_promql_can_write() {
        for (given, metric, label) in [
            ("http.server.duration", "http_server_duration", "http_server_duration"),
            ("vllm:running", "vllm:running", "vllm_running"),
            ("5xx", "_5xx", "_5xx"),
            ("größe", "gr__e", "gr__e"),
            ("up", "up", "up"),
        ] {
            assert_eq!((metric_name(given).as_str(), label_name(given).as_str()), (metric, label), "{given}");
        }
        assert!(is_label_name("a_1") && !is_label_name("1a") && !is_label_name("a.b") && !is_label_name(""));
    }

    #[test]
    fn labels_are_kept_dropped_and_set() {
        let pair = |name: &str, value: &str| (Arc::from(name), Arc::from(value));
        let labels = Labels::new(vec![pair("b", "2"), pair(NAME, "m"), pair("a", "1"), pair("c", "")]);
        let names = |some: &[&str]| some.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (seen, expected) in [
            (labels.clone(), r#"{__name__="m", a="1", b="2"}"#),
            (labels.only(&names(&["a", "x"])), r#"{a="1"}"#),
            (labels.without(&names(&["a"])), r#"{__name__="m", b="2"}"#),
            (labels.without_and_name(&names(&["a"])), r#"{b="2"}"#),
            (labels.without_name().with("a", ""), r#"{b="2"}"#),
            (labels.with("a0", "x"), r#"{__name__="m", a="1", a0="x", b="2"}"#),
        ] {
            assert_eq!(seen.to_string(), expected);
        }
        assert_eq!((labels.get("b"), labels.get("x")), ("2", ""));
    }
}
