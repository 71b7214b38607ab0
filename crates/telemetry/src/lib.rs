//! Signals at rest: log, columns, SQL.
