//! The one place that reads the environment of the process; everything else is handed what it needs.

/// The value of a variable.
#[expect(clippy::disallowed_methods, reason = "this is the place that everything else is handed it from")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// All variables that are text.
pub fn variables() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}
