//! What the demo found, as a table and as JSON.
