//! Where a command reads a table from and writes its answer to: a file, or `-` for the standard streams.

use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Unusable;

/// Everything that is in a file, or comes in.
pub(super) fn read(from: &Path) -> anyhow::Result<String> {
    if from.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(from)
        .map_err(|e| anyhow::Error::new(e).context(Unusable(format!("read {}", from.display()))))
}

/// Puts the answer into a file, or out.
pub(super) fn write(to: &Path, text: &str) -> anyhow::Result<()> {
    if to.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // The reader has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("write to standard output"),
        };
    }
    std::fs::write(to, text)
        .map_err(|e| anyhow::Error::new(e).context(Unusable(format!("write {}", to.display()))))
}

/// A table that cannot be used, with its name.
pub(super) fn unusable(from: &Path, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    anyhow::Error::new(error).context(Unusable(format!("judge {}", from.display())))
}
