//! The rows that are learned from and judged, for other learners: little-endian f32, one row after the other.
//!
//! `learned.f32` and `judged.f32` hold `group, run, row, left, stands_for`, then the figures (NaN where nothing speaks;
//! `left` is infinite where nothing collapsed; the groups are 0 known, 1 further, 2 random, 3 random at other scales).
//! `learned.runs.f32` and `judged.runs.f32` hold `run, row`, then what was measured (NaN where it was not sent).

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::boost::Row;
use crate::runs::{self, Family, Plan, Run};

pub(crate) fn write(folder: &Path) -> io::Result<()> {
    for (name, plan) in [("learned", Plan::learned()), ("judged", Plan::judged())] {
        rows(&runs::rows(&plan), &folder.join(format!("{name}.f32")))?;
        let mut out = BufWriter::new(File::create(folder.join(format!("{name}.runs.f32")))?);
        for (at, (family, seed)) in plan.jobs().into_iter().enumerate() {
            let run = Run::make(family, seed);
            for (row, values) in run.measured().enumerate().filter(|_| run.is_useful()) {
                put(&mut out, &[at as f32, row as f32])?;
                put(&mut out, &values.map(|v| v as f32))?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn rows(rows: &[Row], path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for row in rows {
        let group = match row.family {
            Family::Known(_) => 0.0,
            Family::Further(_) => 1.0,
            Family::Mixed => 2.0,
            Family::Varied => 3.0,
        };
        let (run, at) = row.place;
        put(&mut out, &[group, run as f32, at as f32, row.left, row.thin])?;
        put(&mut out, &row.figures)?;
    }
    out.flush()
}

fn put(out: &mut impl io::Write, values: &[f32]) -> io::Result<()> {
    values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}
