//! Series as rows `id,t,y` and forecasts as rows `id,t,yhat,lo95,hi95`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::num::NonZeroUsize;
use std::thread;

use anyhow::{Context as _, bail, ensure};
use echobase_analysis::forecast::{Step, find_season, forecast};

/// Rows that one series may have, missing ones included.
const ROWS: i64 = 10_000_000;

/// One series, in order of time, at even steps.
#[derive(Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) id: String,
    /// `t` of the last row, and the distance from row to row.
    pub(crate) last: i64,
    pub(crate) step: i64,
    /// NaN where a row is missing or empty.
    pub(crate) values: Vec<f64>,
}

/// A row as it was read, with its number in the file (the header is row 1).
struct Point {
    t: i64,
    y: f64,
    row: u64,
}

/// Reads all series, in the order in which their ids first appear; the rows of one may be in any order.
pub(crate) fn read(input: impl Read) -> anyhow::Result<Vec<Series>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let header = reader.headers().context("read the header")?.clone();
    let column = |name: &str| {
        header.iter().position(|h| h == name).with_context(|| format!("the header has no column `{name}`"))
    };
    let (id, t, y) = (column("id")?, column("t")?, column("y")?);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<(String, Vec<Point>)> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or("");
        let time = cell(t);
        let t = time.parse().with_context(|| format!("row {row}: t `{time}` is not a whole number"))?;
        let value = cell(y);
        let y = if value.is_empty() {
            f64::NAN
        } else {
            value.parse().with_context(|| format!("row {row}: y `{value}` is not a number"))?
        };
        let place = match places.entry(cell(id).to_owned()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                found.push((entry.key().clone(), Vec::new()));
                *entry.insert(found.len() - 1)
            }
        };
        if let Some((_, points)) = found.get_mut(place) {
            points.push(Point { t, y, row });
        }
    }
    found.into_iter().map(|(id, points)| even(id, points)).collect()
}

/// Puts rows at even steps; the usual distance from row to row is the step.
fn even(id: String, mut points: Vec<Point>) -> anyhow::Result<Series> {
    points.sort_by_key(|point| (point.t, point.row));
    let mut gaps = Vec::with_capacity(points.len());
    for (before, point) in points.iter().zip(points.iter().skip(1)) {
        let gap =
            point.t.checked_sub(before.t).with_context(|| format!("row {}: t is too far", point.row))?;
        ensure!(gap > 0, "row {}: series `{id}` has t {} twice", point.row, point.t);
        gaps.push(gap);
    }
    let mut sorted = gaps.clone();
    sorted.sort_unstable();
    let step = sorted.get(sorted.len() / 2).copied().unwrap_or(1);
    let mut values = Vec::with_capacity(points.len());
    let mut last = 0;
    for (at, point) in points.iter().enumerate() {
        if let Some(gap) = at.checked_sub(1).and_then(|before| gaps.get(before)) {
            if gap % step != 0 {
                bail!(
                    "row {}: t {} is not a whole number of steps of {step} after {last}",
                    point.row,
                    point.t
                );
            }
            let missing = gap / step - 1;
            ensure!(missing < ROWS, "row {}: {missing} rows are missing before t {}", point.row, point.t);
            values.extend((0..missing).map(|_| f64::NAN));
        }
        ensure!((values.len() as i64) < ROWS, "row {}: series `{id}` has too many rows", point.row);
        values.push(point.y);
        last = point.t;
    }
    ensure!(values.iter().any(|v| v.is_finite()), "series `{id}` has no value");
    Ok(Series { id, last, step, values })
}

/// Forecasts every series; without a season, each is searched for its own.
pub(crate) fn ahead(series: &[Series], horizon: usize, season: Option<usize>) -> Vec<Vec<Step>> {
    let one = |series: &Series| {
        let season = season.unwrap_or_else(|| find_season(&series.values));
        forecast(&series.values, season, horizon).map(|ahead| ahead.steps).unwrap_or_default()
    };
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = series.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = series
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The forecasts as CSV.
pub(crate) fn write(series: &[Series], answers: &[Vec<Step>]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["id", "t", "yhat", "lo95", "hi95"])?;
    for (series, steps) in series.iter().zip(answers) {
        let mut t = series.last;
        for step in steps {
            t = t
                .checked_add(series.step)
                .with_context(|| format!("series `{}`: t is too far", series.id))?;
            let figures = [step.value, step.low, step.high].map(figure);
            out.write_field(&series.id)?;
            out.write_field(t.to_string())?;
            out.write_record(figures)?;
        }
    }
    out.into_inner().context("write the forecasts")
}

/// Twelve significant digits: what differs behind them is rounding, not knowledge, and depends on the machine.
fn figure(value: f64) -> String {
    let rounded = format!("{value:.11e}").parse().unwrap_or(value);
    // Debug, so that the very small and the very large are written with an exponent.
    format!("{rounded:?}").trim_end_matches(".0").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        for (value, text) in
            [(3.0, "3"), (2.999_999_999_999_999, "3"), (0.1 + 0.2, "0.3"), (1e-40, "1e-40"), (-12.5, "-12.5")]
        {
            assert_eq!(figure(value), text);
        }
    }

    fn error(text: &str) -> String {
        format!("{:#}", read(text.as_bytes()).expect_err("it should not be read"))
    }

    #[test]
    fn rows_of_any_order_become_even_series_in_order_of_appearance() {
        let read = read("t,id,y\n10,b,1\n0,a,5\n20,b,\n50,b,4\n40,b,3\n1,a, 6\n".as_bytes()).unwrap();
        assert_eq!(read[0].id, "b");
        assert_eq!((read[0].last, read[0].step), (50, 10));
        assert_eq!(format!("{:?}", read[0].values), "[1.0, NaN, NaN, 3.0, 4.0]");
        assert_eq!(read[1], Series { id: "a".into(), last: 1, step: 1, values: vec![5.0, 6.0] });
    }

    #[test]
    fn errors_name_the_row() {
        for (text, want) in [
            ("id,t\na,1\n", "no column `y`"),
            ("id,t,y\na,0,1\na,1,x\n", "row 3: y `x` is not a number"),
            ("id,t,y\na,zero,1\n", "row 2: t `zero` is not a whole number"),
            ("id,t,y\na,0,1\na,0,2\n", "row 3: series `a` has t 0 twice"),
            ("id,t,y\na,0,1\na,2,2\na,4,2\na,7,2\n", "row 5: t 7 is not a whole number of steps of 2"),
            ("id,t,y\na,0,\n", "series `a` has no value"),
            ("id,t,y\na,0\n", "line: 2"),
        ] {
            let error = error(text);
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn every_series_gets_its_horizon() {
        let rows: String = (0..40).map(|t| format!("a,{t},{}\n\"b,c\",{},3\n", t % 4, t * 5)).collect();
        let series = read(format!("id,t,y\n{rows}").as_bytes()).unwrap();
        for season in [Some(4), None] {
            let text = String::from_utf8(write(&series, &ahead(&series, 3, season)).unwrap()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 7);
            assert_eq!(lines[0], "id,t,yhat,lo95,hi95");
            assert!(lines[1].starts_with("a,40,"), "{text}");
            assert!(lines[6].starts_with("\"b,c\",210,3,3,3"), "{text}");
        }
    }
}
