//! The demo lane: a plant of real processes, five faults, and the table that must come out.

use std::path::Path;

use anyhow::Result;

use crate::command::Run;
use crate::house::House;

/// Runs the short seeded demo of a built binary; its exit code says whether the table is good.
pub fn run(house: &House, binary: &Path) -> Result<()> {
    Run::new(binary).args(["demo", "--short", "--seed", "7"]).folder(&house.scratch("demo")?).status()
}
