//! Wire types, problem documents, OpenAPI.
