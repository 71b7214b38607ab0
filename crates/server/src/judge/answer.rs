//! The answer: the times as they came, with a column for each kind of verdict.

use std::borrow::Cow;
use std::io::Write;

use echobase_telemetry::ipc::{Values, Writer};
use echobase_types::Timestamp;

use super::rows::Stamps;
use super::{Format, JudgeError};

/// Verdicts of one kind, one a row.
pub(super) enum Column {
    /// Numbers, with how they are written in CSV.
    Numbers(Vec<f64>, fn(f64) -> String),
    /// Yes or no: 1 and 0 in CSV.
    Flags(Vec<bool>),
    /// Whole numbers.
    Whole(Vec<i64>),
}

impl Column {
    fn text(&self, row: usize) -> String {
        match self {
            Self::Numbers(numbers, written) => numbers.get(row).copied().map(written),
            Self::Flags(flags) => flags.get(row).map(|flag| u8::from(*flag).to_string()),
            Self::Whole(whole) => whole.get(row).map(ToString::to_string),
        }
        .unwrap_or_default()
    }

    fn values(self) -> Values {
        match self {
            Self::Numbers(numbers, _) => Values::Numbers(numbers),
            Self::Flags(flags) => Values::Flags(flags),
            Self::Whole(whole) => Values::Whole(whole),
        }
    }
}

/// An answer under way. All its parts have the same columns.
pub(super) enum Answer<W: Write> {
    Csv(W),
    Arrow(Writer<W>),
}

impl<W: Write> Answer<W> {
    /// Begins it; `names` are those of the columns beside the time.
    pub(super) fn begin(mut output: W, format: Format, names: &[&str]) -> Result<Self, JudgeError> {
        Ok(match format {
            Format::Csv => {
                writeln!(output, "timestamp,{}", names.join(",")).map_err(JudgeError::Write)?;
                Self::Csv(output)
            }
            Format::Arrow(layout) => Self::Arrow(Writer::new(output, layout)),
        })
    }

    /// Writes rows.
    pub(super) fn write(
        &mut self,
        stamps: Stamps,
        times: Vec<Timestamp>,
        columns: Vec<(&str, Column)>,
    ) -> Result<(), JudgeError> {
        match self {
            Self::Csv(output) => {
                let stamps = match stamps {
                    Stamps::Texts(texts) => texts,
                    Stamps::Kept(kept) => kept.texts()?.into_iter().map(Option::unwrap_or_default).collect(),
                };
                for (row, stamp) in stamps.iter().enumerate() {
                    let mut line = quoted(stamp).into_owned();
                    for (_, column) in &columns {
                        line.push(',');
                        line += &column.text(row);
                    }
                    writeln!(output, "{line}").map_err(JudgeError::Write)?;
                }
            }
            Self::Arrow(writer) => {
                let stamps = match stamps {
                    // Texts of CSV in many forms become what they mean.
                    Stamps::Texts(_) => Values::Times(times),
                    Stamps::Kept(kept) => Values::Kept(kept),
                };
                let rest = columns.into_iter().map(|(name, column)| (name, column.values()));
                writer.write(std::iter::once(("timestamp", stamps)).chain(rest).collect())?;
            }
        }
        Ok(())
    }

    /// Ends it. `none` are the columns without a row, for an answer without one.
    pub(super) fn end(mut self, none: Vec<(&str, Column)>) -> Result<(), JudgeError> {
        if matches!(&self, Self::Arrow(writer) if !writer.is_begun()) {
            self.write(Stamps::Texts(Vec::new()), Vec::new(), none)?;
        }
        match self {
            Self::Csv(mut output) => output.flush().map_err(JudgeError::Write),
            Self::Arrow(writer) => Ok(writer.finish()?),
        }
    }
}

/// A field as it is written: quoted where it must be.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_that_needs_quotes_gets_them() {
        assert_eq!(quoted("2020-09-13"), "2020-09-13");
        assert_eq!(quoted("13 \"Sep\", 2020"), "\"13 \"\"Sep\"\", 2020\"");
    }
}
