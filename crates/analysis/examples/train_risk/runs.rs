//! Runs from a folder, as rows of precursors.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use echobase_analysis::{AnalysisConfig, Engine};
use echobase_types::signal::{MetricKind, MetricPoint, Series};
use echobase_types::{Attributes, Resource, ResourceId, ResourceKind, SeriesId, SignalBatch, Timestamp};

use crate::boost::Rows;

/// Every so many negative rows one is kept; it then counts as many.
const THIN: usize = 8;
const HORIZON: Duration = Duration::from_secs(3_600);

/// Reads all runs of a folder.
pub(crate) fn read(folder: &Path, weight: f32, rows: &mut Rows) -> io::Result<()> {
    let list = fs::read_to_string(folder.join("runs.csv"))?;
    for (at, line) in list.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let [run, _, _, collapse] = fields[..] else {
            return Err(io::Error::other(format!("line {} of runs.csv has not four fields", at + 2)));
        };
        let collapse: i64 = collapse.trim().parse().map_err(io::Error::other)?;
        one(&fs::read_to_string(folder.join(format!("{run}.csv")))?, collapse, weight, at, rows)?;
    }
    Ok(())
}

fn one(text: &str, collapse: i64, weight: f32, at: usize, rows: &mut Rows) -> io::Result<()> {
    let id = ResourceId::new("process:run").map_err(io::Error::other)?;
    let mut engine = Engine::new(AnalysisConfig {
        horizon: HORIZON,
        forget_after: Duration::from_secs(366 * 86_400),
        ..AnalysisConfig::default()
    });
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default().split(',').skip(1);
    let series = names.enumerate().map(|(j, name)| Series {
        id: SeriesId(j as u64 + 1),
        resource: 0,
        name: name.to_owned(),
        unit: String::new(),
        kind: MetricKind::Gauge,
        attributes: Attributes::new(),
    });
    let resource = Resource {
        id: id.clone(),
        kind: ResourceKind::Process,
        name: "run".to_owned(),
        attributes: Attributes::new(),
    };
    let mut batch =
        SignalBatch { resources: vec![resource], series: series.collect(), ..SignalBatch::default() };
    for (row, line) in lines.enumerate() {
        let mut fields = line.split(',');
        let seconds: i64 = fields.next().unwrap_or_default().parse().map_err(io::Error::other)?;
        let time = Timestamp::from_secs(seconds);
        batch.points.clear();
        for (j, field) in fields.enumerate() {
            if let Ok(value) = field.parse() {
                batch.points.push(MetricPoint { series: j as u32, time, value });
            }
        }
        engine.observe(&batch);
        let left = if collapse < 0 { i64::MAX } else { collapse - row as i64 };
        let is_positive = (10..=60).contains(&left);
        let is_kept = is_positive || (left > 120 && (row + at).is_multiple_of(THIN));
        if row < 120 || !is_kept {
            continue;
        }
        if let Some(seen) = engine.precursors(&id, HORIZON) {
            rows.figures.push(seen.figures);
            rows.labels.push(is_positive);
            rows.weights.push(weight * if is_positive { 1.0 } else { THIN as f32 });
        }
    }
    Ok(())
}
