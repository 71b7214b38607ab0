//! The decision point: roles, grants and base rules as policies; egress rules.
