//! Files of commands that read and write tables; `-` stands for standard input and output.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::Context as _;
use echobase_server::judge::{Format, Layout};

use crate::exit::Unusable;

/// A format that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// Text with a header.
    Csv,
    /// Arrow's IPC format: a stream, or a file where the name of the output ends in .arrow, .feather or .ipc.
    Arrow,
}

/// The format of an answer: as asked for, else by the name of the file. `None`: that of the input.
pub(super) fn format(asked: Option<TableFormat>, output: &Path) -> Option<Format> {
    let extension = output.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let named = match extension.as_deref() {
        Some("csv") => Some(Format::Csv),
        Some("arrows") => Some(Format::Arrow(Layout::Stream)),
        Some("arrow" | "feather" | "ipc") => Some(Format::Arrow(Layout::File)),
        _ => None,
    };
    match asked {
        None => named,
        Some(TableFormat::Csv) => Some(Format::Csv),
        Some(TableFormat::Arrow) => {
            named.filter(|named| *named != Format::Csv).or(Some(Format::Arrow(Layout::Stream)))
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_asked_for_or_follows_from_the_name_or_from_the_input() {
        const STREAM: Option<Format> = Some(Format::Arrow(Layout::Stream));
        const FILE: Option<Format> = Some(Format::Arrow(Layout::File));
        for (asked, name, wanted) in [
            (None, "-", None),
            (None, "out.csv", Some(Format::Csv)),
            (None, "out.FEATHER", FILE),
            (None, "out.arrows", STREAM),
            (None, "out.txt", None),
            (Some(TableFormat::Arrow), "-", STREAM),
            (Some(TableFormat::Arrow), "out.csv", STREAM),
            (Some(TableFormat::Arrow), "out.arrow", FILE),
            (Some(TableFormat::Csv), "out.arrow", Some(Format::Csv)),
        ] {
            assert_eq!(format(asked, Path::new(name)), wanted, "{asked:?} {name}");
        }
    }
}
