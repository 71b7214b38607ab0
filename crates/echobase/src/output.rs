//! Tables, JSON and CSV on standard output.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Prints rows under a header, or the whole answer as JSON.
pub(crate) fn rows<T: Serialize>(
    output: Output,
    answer: &T,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> anyhow::Result<()> {
    match output {
        Output::Json => json(answer),
        Output::Table => {
            let mut table = Table::new();
            table.load_style(presets::UTF8_HORIZONTAL_ONLY);
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(header.iter().map(|h| (*h).to_owned()).collect::<Vec<String>>());
            for row in rows {
                table.add_row(row);
            }
            line(&table.to_string())
        }
        Output::Csv => {
            line(&csv_line(header.iter().copied()))?;
            for row in rows {
                line(&csv_line(row.iter().map(String::as_str)))?;
            }
            Ok(())
        }
    }
}

/// Prints JSON.
pub(crate) fn json<T: Serialize>(answer: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(answer)?)
}

/// Prints a line. A closed pipe (`| head`) is a normal end, not an error.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        // Whoever read has read enough; what follows has no reader either.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// One CSV line (RFC 4180). A cell that a spreadsheet would take for a formula gets a leading apostrophe.
fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let risky = cell.starts_with(['=', '+', '@', '\t', '\r'])
            || (cell.starts_with('-') && cell.parse::<f64>().is_err());
        let cell = if risky { format!("'{cell}") } else { cell.to_owned() };
        if cell.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_disarms_formulas() {
        let line = csv_line(["a,b", "say \"x\"", "=1+1", "-3.5", "-x", "plain"].into_iter());
        assert_eq!(line, r#""a,b","say ""x""",'=1+1,-3.5,'-x,plain"#);
    }
}
