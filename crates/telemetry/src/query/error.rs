//! Why a question was not answered, told to the person who asked it.

use std::fmt;
use std::time::Duration;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use echobase_types::ErrorKind;

use super::session::{CATALOG, SCHEMA};

/// A place in the text of a question, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column in characters.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A question that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The question is wrong: syntax, names, types, or not a SELECT.
    #[error("{message}{}{}", at(.position), then(.hint))]
    Invalid {
        /// What is wrong.
        message: String,
        /// Where, if it is known.
        position: Option<Position>,
        /// What would be right: tables or columns that there are.
        hint: Option<String>,
    },
    /// The text is too long.
    #[error("question of {bytes} bytes is longer than {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It has too many words and operators.
    #[error("question of {parts} words and operators is longer than {limit}")]
    TooDeep {
        /// How many.
        parts: usize,
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("question took longer than {} s; narrow its time range", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// It needed too much memory.
    #[error("question needs more memory than it may use; narrow its time range or group by less")]
    TooLarge(#[source] Box<DataFusionError>),
    /// Shutdown, or the work was stopped.
    #[error("question was stopped")]
    Stopped,
    /// Files could not be read, or a defect.
    #[error("answer a question")]
    Failed(#[source] Box<DataFusionError>),
}

fn at(position: &Option<Position>) -> String {
    position.map(|p| format!(" at {p}")).unwrap_or_default()
}

fn then(hint: &Option<String>) -> String {
    hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default()
}

impl QueryError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::TooLong { .. } | Self::TooDeep { .. } | Self::TooLarge(_) => ErrorKind::TooLarge,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Stopped => ErrorKind::Unavailable,
            Self::Failed(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn of(error: DataFusionError, sql: &str, context: &SessionContext) -> Self {
        use DataFusionError as E;
        let message = match error.find_root() {
            E::ResourcesExhausted(_) => return Self::TooLarge(Box::new(error)),
            E::IoError(_) | E::ObjectStore(_) | E::ParquetError(_) | E::External(_) | E::ExecutionJoin(_) => {
                return Self::Failed(Box::new(error));
            }
            E::Internal(_) => return Self::Failed(Box::new(error)),
            E::SQL(parser, _) => parser.to_string(),
            E::SchemaError(schema, _) => return missing(schema, position_of(&error)),
            other => other.message().into_owned(),
        };
        let (mut message, mut found) = cut_position(clean(&message));
        if let Some(before) = message.strip_suffix("found: EOF") {
            message = format!("{before}found the end of the question");
            found = Some(end_of(sql));
        }
        let hint = message.contains("not found").then(|| tables(&message, context)).flatten();
        Self::Invalid { message, position: found.or_else(|| position_of(&error)), hint }
    }
}

/// A column that is not there, and the nearest that are.
fn missing(schema: &SchemaError, position: Option<Position>) -> QueryError {
    let SchemaError::FieldNotFound { field, valid_fields } = schema else {
        return QueryError::Invalid { message: clean(&schema.to_string()), position, hint: None };
    };
    let mut names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let hint = match nearest(&field.name, names.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => None,
        None => Some(format!("there are {}", names.join(", "))),
    };
    QueryError::Invalid { message: format!("there is no column `{}`", field.name), position, hint }
}

fn tables(message: &str, context: &SessionContext) -> Option<String> {
    let wanted = message.split('\'').nth(1)?;
    let wanted = wanted.rsplit('.').next().unwrap_or(wanted);
    let names = context.catalog(CATALOG)?.schema(SCHEMA)?.table_names();
    Some(match nearest(wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? There are {}", names.join(", ")),
        None => format!("there are {}", names.join(", ")),
    })
}

/// The name nearest to `wanted`, if one is near.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.map(|name| (distance(wanted, name), name)).min()?;
    (distance <= 1 + wanted.len() / 3).then_some(name)
}

/// Levenshtein distance (R. Wagner, M. Fischer, 1974).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (before + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            before = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// Takes off what only the engine's authors need.
fn clean(message: &str) -> String {
    let mut text = message.trim();
    for prefix in ["sql parser error: ", "Error during planning: ", "Execution error: ", "Arrow error: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.replace(&format!("{CATALOG}.{SCHEMA}."), "")
}

/// Takes the words ` at Line: 1, Column: 8` out of a parser's message.
fn cut_position(message: String) -> (String, Option<Position>) {
    let Some((before, after)) = message.split_once(" at Line: ") else {
        return (message, None);
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (line, rest) = after.split_at(digits(after));
    let Some(rest) = rest.strip_prefix(", Column: ") else {
        return (message, None);
    };
    let (column, rest) = rest.split_at(digits(rest));
    match (line.parse(), column.parse()) {
        (Ok(line), Ok(column)) => (format!("{before}{rest}"), Some(Position { line, column })),
        _ => (message, None),
    }
}

fn end_of(sql: &str) -> Position {
    let last = sql.rsplit('\n').next().unwrap_or(sql);
    Position { line: 1 + sql.matches('\n').count() as u64, column: 1 + last.chars().count() as u64 }
}

fn position_of(error: &DataFusionError) -> Option<Position> {
    let start = error.diagnostic()?.span?.start;
    Some(Position { line: start.line, column: start.column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_taken_out_of_a_parsers_message() {
        for (text, left, found) in [
            ("Expected: x, found: y at Line: 1, Column: 18", "Expected: x, found: y", Some((1, 18))),
            ("a at Line: 2, Column: 3 near b", "a near b", Some((2, 3))),
            ("nothing", "nothing", None),
            ("a at Line: x", "a at Line: x", None),
        ] {
            let (message, position) = cut_position(text.to_owned());
            assert_eq!((message.as_str(), position.map(|p| (p.line, p.column))), (left, found));
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let names = || ["metrics", "events", "spans"].into_iter();
        assert_eq!(nearest("metric", names()), Some("metrics"));
        assert_eq!(nearest("evnets", names()), Some("events"));
        assert_eq!(nearest("customers", names()), None);
    }
}
