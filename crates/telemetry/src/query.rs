//! Questions in SQL over one tenant's tables: read-only, bounded in rows, bytes, time and memory.
//!
//! What a question can name is a catalog made for it alone, which holds that tenant's tables and nothing else;
//! the files it can open are those below that tenant's folder.

mod error;
mod function;
mod provider;
mod render;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use echobase_types::TenantId;
use futures::StreamExt;
use tokio::time::Instant;

pub use error::{Position, QueryError};
pub(crate) use provider::{Scanned, SignalTable, sorted_scan};
pub(crate) use session::Engine;

use crate::{QueryConfig, Telemetry};

/// Longest question in bytes.
const MAX_SQL: usize = 64 << 10;
/// Words and operators of a question: they make the depth of its tree, which planning walks on the stack.
/// Literals and commas are not counted, so that long lists are fine.
const MAX_PARTS: usize = 1_000;
/// Bytes of an answer, as JSON values, after which rows are left out.
const MAX_ANSWER: usize = 64 << 20;

/// What one question may use. Each limit is cut to that of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows of the answer; further ones are left out and `QueryResult::truncated` says so. Default: 10,000.
    pub max_rows: usize,
    /// Time from asking to the last row. Default: 30 s.
    pub timeout: Duration,
    /// Memory for sorting, grouping and joining, in bytes. Default: 512 MiB.
    pub memory_bytes: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { max_rows: 10_000, timeout: Duration::from_secs(30), memory_bytes: 512 << 20 }
    }
}

impl QueryLimits {
    fn within(self, config: &QueryConfig) -> Self {
        Self {
            max_rows: self.max_rows.min(config.max_rows),
            timeout: self.timeout.min(config.timeout),
            memory_bytes: self.memory_bytes.min(config.memory_bytes),
        }
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Data type, as the engine names it.
    pub data_type: String,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with one value per column. Times are RFC 3339 texts in UTC; whole numbers beyond ±2⁵³ and
    /// numbers that JSON has no word for are texts; lists are arrays.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether rows were left out because of a limit.
    pub truncated: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// Files that were opened.
    pub scanned_files: u64,
    /// Files that the time filter left out.
    pub pruned_files: u64,
    /// Bytes of the opened files (not all of which need to be read).
    pub scanned_bytes: u64,
}

impl Telemetry {
    /// Answers one SELECT over the tenant's tables. Dropping the future stops the work.
    pub async fn query(
        &self,
        tenant: &TenantId,
        sql: &str,
        limits: QueryLimits,
    ) -> Result<QueryResult, QueryError> {
        let begin = Instant::now();
        if sql.len() > MAX_SQL {
            return Err(QueryError::TooLong { bytes: sql.len(), limit: MAX_SQL });
        }
        let inner = &self.inner;
        inner.shared.counters.queries.fetch_add(1, Ordering::Relaxed);
        let limits = limits.within(&inner.config.query);
        let limit = limits.timeout;
        let late = |_| QueryError::Timeout { limit };
        let place = tokio::time::timeout(limit, inner.engine.place()).await.map_err(late)??;
        let scanned = Arc::new(Scanned::default());
        let context = inner.engine.context(tenant, &inner.shared, limits.memory_bytes, &scanned)?;
        let (sql, left) = (sql.to_owned(), limit.saturating_sub(begin.elapsed()));
        let work = async move {
            let _place = place; // held until the work has really ended: planning cannot be interrupted
            answer(&context, &sql, limits.max_rows).await
        };
        let done = tokio::time::timeout(left, inner.workers.run(work)).await.map_err(late)?;
        let (columns, rows, truncated) = done.map_err(|_| QueryError::Stopped)??;
        Ok(QueryResult {
            columns,
            rows,
            truncated,
            elapsed: begin.elapsed(),
            scanned_files: scanned.files.load(Ordering::Relaxed),
            pruned_files: scanned.pruned.load(Ordering::Relaxed),
            scanned_bytes: scanned.bytes.load(Ordering::Relaxed),
        })
    }
}

/// Counts the words and operators of a question. What is no SQL counts as nothing: the parser refuses it.
fn parts(sql: &str) -> usize {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let flat = |token: &Token| {
        matches!(
            token,
            Token::Whitespace(_)
                | Token::Comma
                | Token::LParen
                | Token::RParen
                | Token::Number(..)
                | Token::SingleQuotedString(_)
        )
    };
    tokens.iter().filter(|token| !flat(token)).count()
}

type Answer = (Vec<Column>, Vec<Vec<serde_json::Value>>, bool);

async fn answer(context: &SessionContext, sql: &str, max_rows: usize) -> Result<Answer, QueryError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let refused = |e| QueryError::of(e, sql, context);
    let parts = parts(sql);
    if parts > MAX_PARTS {
        return Err(QueryError::TooDeep { parts, limit: MAX_PARTS });
    }
    let frame = context.sql_with_options(sql, options).await.map_err(refused)?;
    let schema = frame.schema().clone();
    let columns = schema
        .fields()
        .iter()
        .map(|f| Column { name: f.name().clone(), data_type: f.data_type().to_string() })
        .collect();
    let mut stream = frame.execute_stream().await.map_err(refused)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(refused)?;
        let room = max_rows - rows.len();
        let taken = batch.slice(0, batch.num_rows().min(room));
        bytes += render::rows(&taken, MAX_ANSWER.saturating_sub(bytes), &mut rows).map_err(refused)?;
        if batch.num_rows() > room || bytes >= MAX_ANSWER {
            return Ok((columns, rows, true));
        }
    }
    Ok((columns, rows, false))
}
