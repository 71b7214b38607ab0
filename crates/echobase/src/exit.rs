//! Exit codes, documented in the help of the binary.

use std::process::ExitCode;

use crate::client::Refused;

/// Done.
pub(crate) const OK: u8 = 0;
/// The command failed, or a check found something.
pub(crate) const FAILED: u8 = 1;
/// The arguments or an input file cannot be used.
pub(crate) const UNUSABLE: u8 = 2;
/// The server cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;
/// The server refused: not signed in, or not allowed.
pub(crate) const NOT_ALLOWED: u8 = 4;
/// There is no such thing.
pub(crate) const NOT_FOUND: u8 = 5;

/// Input that cannot be used, as an error that ends with code 2.
#[derive(Debug)]
pub(crate) struct Unusable(pub String);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// The exit code of an error.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    // As a context it is no link of the chain of its own.
    if error.downcast_ref::<Unusable>().is_some() {
        return ExitCode::from(UNUSABLE);
    }
    for cause in error.chain() {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return ExitCode::from(match refused.0.status {
                401 | 403 => NOT_ALLOWED,
                404 => NOT_FOUND,
                _ => FAILED,
            });
        }
        if cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
            return ExitCode::from(UNREACHABLE);
        }
    }
    ExitCode::from(FAILED)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn unusable_input_ends_with_two_wherever_it_stands() {
        let unusable = || Unusable("row 3".to_owned());
        let io = || std::io::Error::from(std::io::ErrorKind::NotFound);
        for error in [
            anyhow::Error::new(unusable()),
            anyhow::Error::new(unusable()).context("read a.csv"),
            anyhow::Error::new(io()).context(unusable()),
            Err::<(), _>(io()).context(unusable()).context("load").unwrap_err(),
        ] {
            assert_eq!(code_of(&error), ExitCode::from(UNUSABLE), "{error:#}");
        }
        assert_eq!(code_of(&anyhow::Error::new(io())), ExitCode::from(FAILED));
    }
}
