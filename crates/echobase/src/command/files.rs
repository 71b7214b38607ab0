//! Files of commands that read and write CSV; `-` stands for standard input and output.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Unusable;

/// Opens a file for reading.
pub(super) fn input(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| Unusable(format!("open {}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Opens a file for an answer that comes bit by bit.
pub(super) fn sink(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout().lock()));
    }
    let file = File::create(path).with_context(|| Unusable(format!("write {}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Writes a whole answer. A closed pipe (`| head`) is a normal end, not an error.
pub(super) fn output(path: &Path, answer: &[u8]) -> anyhow::Result<()> {
    let mut out = sink(path)?;
    match out.write_all(answer).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.with_context(|| format!("write {}", path.display())),
    }
}
