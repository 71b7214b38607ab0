//! Whole signals in, whole assessments out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod collapse;
mod detection;
mod dirt;
mod faults;
mod feedback;
mod fleet;
mod noise;
mod plant;
mod properties;
mod quiet;
mod rebuild;
mod spans;
