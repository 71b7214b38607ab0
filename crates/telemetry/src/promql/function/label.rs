//! Functions that change labels.

use regex::Regex;

use crate::promql::PromqlError;
use crate::promql::evaluate::{Line, joined, wrong};
use crate::promql::labels::is_label_name;

fn target(name: &str, of: &str) -> Result<(), PromqlError> {
    if is_label_name(name) {
        return Ok(());
    }
    Err(PromqlError::Execution(format!("invalid destination label name in {of}(): {name}")))
}

/// `label_replace`: sets a label to an expansion of another's value, where a pattern fits the whole of that.
pub(super) fn replaced(mut lines: Vec<Line>, texts: &[&str]) -> Result<Vec<Line>, PromqlError> {
    let [to, replacement, from, pattern] = texts else { return Err(wrong("another number of texts")) };
    let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
        PromqlError::Execution(format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    target(to, "label_replace")?;
    for line in &mut lines {
        let mut value = String::new();
        if let Some(found) = whole.captures(line.labels.get(from)) {
            found.expand(replacement, &mut value);
            line.labels = line.labels.with(to, &value);
        }
    }
    joined(lines)
}

/// `label_join`: sets a label to the values of others, with a separator between.
pub(super) fn concatenated(mut lines: Vec<Line>, texts: &[&str]) -> Result<Vec<Line>, PromqlError> {
    let [to, separator, from @ ..] = texts else { return Err(wrong("another number of texts")) };
    target(to, "label_join")?;
    for line in &mut lines {
        let value = from.iter().map(|name| line.labels.get(name)).collect::<Vec<_>>().join(separator);
        line.labels = line.labels.with(to, &value);
    }
    joined(lines)
}
