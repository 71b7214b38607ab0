//! Series as rows `id,t,y` and forecasts as rows `id,t,yhat,lo95,hi95`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::thread;

use echobase_analysis::forecast::{Step, at_even_steps, find_season, forecast as forecast_series};
use echobase_telemetry::ipc::{self, Kept, Values, Writer};

use super::rows::{Input, Source, number};
use super::{Format, JudgeError, table};

/// Rows that one series may have, missing ones included.
const ROWS: i64 = 10_000_000;

/// One series, in order of time, at even steps.
#[derive(Debug, PartialEq)]
struct Series {
    id: String,
    /// `t` of the last row, and the distance from row to row.
    last: i64,
    step: i64,
    /// NaN where a row is missing or empty.
    values: Vec<f64>,
}

/// A row as it was read, with its number in the file (the header is row 1).
struct Point {
    t: i64,
    y: f64,
    row: u64,
}

/// Forecasts `horizon` rows of every series of `id,t,y` and writes `id,t,yhat,lo95,hi95`, in the format of the input
/// unless another is given. `season`: rows of a season; without it each series is searched for its own.
pub fn forecast(
    input: impl Read,
    output: impl Write,
    format: Option<Format>,
    horizon: usize,
    season: Option<usize>,
) -> Result<(), JudgeError> {
    let source = Source::open(input)?;
    let format = format.unwrap_or(source.format());
    let (series, like) = match source {
        Source::Csv(input) => (read_csv(input)?, None),
        Source::Arrow(reader) => read_arrow(*reader)?,
    };
    let answers = ahead(&series, horizon, season);
    match format {
        Format::Csv => write_csv(output, &series, &answers),
        Format::Arrow(layout) => write_arrow(Writer::new(output, layout), &series, &answers, like),
    }
}

/// Series in the order in which their ids first appear; the rows of one may be in any order.
#[derive(Default)]
struct Found {
    places: HashMap<String, usize>,
    series: Vec<(String, Vec<Point>)>,
}

impl Found {
    fn add(&mut self, id: String, point: Point) {
        let place = match self.places.entry(id) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.series.push((entry.key().clone(), Vec::new()));
                *entry.insert(self.series.len() - 1)
            }
        };
        if let Some((_, points)) = self.series.get_mut(place) {
            points.push(point);
        }
    }

    fn even(self) -> Result<Vec<Series>, JudgeError> {
        self.series.into_iter().map(|(id, points)| even(id, points)).collect()
    }
}

fn place<'a>(mut names: impl Iterator<Item = &'a str>, wanted: &str) -> Result<usize, JudgeError> {
    let found = names.position(|name| name == wanted);
    found.ok_or_else(|| JudgeError::Table(format!("the header has no column `{wanted}`")))
}

fn read_csv(input: impl Read) -> Result<Vec<Series>, JudgeError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let header = reader.headers().map_err(JudgeError::Csv)?.clone();
    let (id, t, y) = (place(header.iter(), "id")?, place(header.iter(), "t")?, place(header.iter(), "y")?);
    let mut found = Found::default();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(JudgeError::Csv)? {
        let row = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or("");
        let (time, value) = (cell(t), cell(y));
        let Ok(t) = time.parse() else {
            return table(format!("row {row}: t `{time}` is not a whole number"));
        };
        let Some(y) = number(value) else {
            return table(format!("row {row}: y `{value}` is not a number"));
        };
        found.add(cell(id).to_owned(), Point { t, y, row });
    }
    found.even()
}

/// The series, and a column with the type of `t`. Times count as whole numbers of their unit.
fn read_arrow<R: Read>(mut reader: ipc::Reader<Input<R>>) -> Result<(Vec<Series>, Option<Kept>), JudgeError> {
    let at = |name| place(reader.columns.iter().map(|column| column.name.as_str()), name);
    let (id, t, y) = (at("id")?, at("t")?, at("y")?);
    let (mut found, mut like, mut row) = (Found::default(), None, 0);
    while let Some(batch) = reader.batch()? {
        like = Some(batch.keep(t)?);
        let cells = batch.texts(id)?.into_iter().zip(batch.whole(t)?).zip(batch.numbers(y)?);
        for ((id, t), y) in cells {
            row += 1;
            let Some(t) = t else { return table(format!("row {row}: t is missing")) };
            found.add(id.unwrap_or_default(), Point { t, y, row });
        }
    }
    Ok((found.even()?, like))
}

/// Puts rows at even steps; the usual distance from row to row is the step, and no row may lie between two steps.
fn even(id: String, mut points: Vec<Point>) -> Result<Series, JudgeError> {
    points.sort_by_key(|point| (point.t, point.row));
    let mut gaps = Vec::with_capacity(points.len());
    for (before, point) in points.iter().zip(points.iter().skip(1)) {
        let Some(gap) = point.t.checked_sub(before.t) else {
            return table(format!("row {}: t is too far", point.row));
        };
        if gap <= 0 {
            return table(format!("row {}: series `{id}` has t {} twice", point.row, point.t));
        }
        gaps.push(gap);
    }
    let mut sorted = gaps.clone();
    sorted.sort_unstable();
    let step = sorted.get(sorted.len() / 2).copied().unwrap_or(1);
    let mut rows = 1;
    for ((before, point), gap) in points.iter().zip(points.iter().skip(1)).zip(gaps) {
        if gap % step != 0 {
            return table(format!(
                "row {}: t {} is not a whole number of steps of {step} after {}",
                point.row, point.t, before.t
            ));
        }
        rows += gap / step;
        if gap / step > ROWS {
            let missing = gap / step - 1;
            return table(format!("row {}: {missing} rows are missing before t {}", point.row, point.t));
        }
        if rows > ROWS {
            return table(format!("row {}: series `{id}` has too many rows", point.row));
        }
    }
    if !points.iter().any(|point| point.y.is_finite()) {
        return table(format!("series `{id}` has no value"));
    }
    let last = points.last().map_or(0, |point| point.t);
    let (times, values): (Vec<i64>, Vec<f64>) = points.into_iter().map(|point| (point.t, point.y)).unzip();
    let values = at_even_steps(&times, &values, step as f64, rows as usize).unwrap_or_default();
    Ok(Series { id, last, step, values })
}

/// Forecasts every series; without a season, each is searched for its own.
fn ahead(series: &[Series], horizon: usize, season: Option<usize>) -> Vec<Vec<Step>> {
    let one = |series: &Series| {
        let season = season.unwrap_or_else(|| find_season(&series.values));
        forecast_series(&series.values, season, horizon).map(|ahead| ahead.steps).unwrap_or_default()
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

/// Every step of every forecast: its series, its `t`, itself.
fn steps<'a>(
    series: &'a [Series],
    answers: &'a [Vec<Step>],
) -> impl Iterator<Item = Result<(&'a str, i64, &'a Step), JudgeError>> {
    series.iter().zip(answers).flat_map(|(series, steps)| {
        (1_i64..).zip(steps).map(move |(ahead, step)| {
            let t = series.step.checked_mul(ahead).and_then(|far| series.last.checked_add(far));
            let t = t.ok_or_else(|| JudgeError::Table(format!("series `{}`: t is too far", series.id)))?;
            Ok((series.id.as_str(), t, step))
        })
    })
}

fn write_csv(output: impl Write, series: &[Series], answers: &[Vec<Step>]) -> Result<(), JudgeError> {
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(source) => JudgeError::Write(source),
        other => JudgeError::Table(format!("{other:?}")),
    };
    let mut out = csv::Writer::from_writer(output);
    out.write_record(["id", "t", "yhat", "lo95", "hi95"]).map_err(failed)?;
    for step in steps(series, answers) {
        let (id, t, step) = step?;
        let [value, low, high] = [step.value, step.low, step.high].map(figure);
        out.write_record([id, &t.to_string(), &value, &low, &high]).map_err(failed)?;
    }
    out.flush().map_err(JudgeError::Write)
}

fn write_arrow(
    mut out: Writer<impl Write>,
    series: &[Series],
    answers: &[Vec<Step>],
    like: Option<Kept>,
) -> Result<(), JudgeError> {
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    let (mut values, mut lows, mut highs) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps(series, answers) {
        let (id, t, step) = step?;
        ids.push(id.to_owned());
        times.push(t);
        values.push(step.value);
        lows.push(step.low);
        highs.push(step.high);
    }
    let times = match like {
        Some(like) => Values::Like(times, like),
        None => Values::Whole(times),
    };
    out.write(vec![
        ("id", Values::Texts(ids)),
        ("t", times),
        ("yhat", Values::Numbers(values)),
        ("lo95", Values::Numbers(lows)),
        ("hi95", Values::Numbers(highs)),
    ])?;
    Ok(out.finish()?)
}

/// Twelve significant digits: what differs behind them is rounding, not knowledge, and depends on the machine.
fn figure(value: f64) -> String {
    let rounded = format!("{value:.11e}").parse().unwrap_or(value);
    // Debug, so that the very small and the very large are written with an exponent.
    format!("{rounded:?}").trim_end_matches(".0").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
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
        let error = read_csv(text.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    #[test]
    fn rows_of_any_order_become_even_series_in_order_of_appearance() {
        let read = read_csv("t,id,y\n10,b,1\n0,a,5\n20,b,NA\n50,b,4\n40,b,3\n1,a, 6\n".as_bytes()).unwrap();
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
        for season in [Some(4), None] {
            let mut out = Vec::new();
            forecast(format!("id,t,y\n{rows}").as_bytes(), &mut out, None, 3, season).unwrap();
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 7);
            assert_eq!(lines[0], "id,t,yhat,lo95,hi95");
            assert!(lines[1].starts_with("a,40,"), "{text}");
            assert!(lines[6].starts_with("\"b,c\",210,3,3,3"), "{text}");
        }
    }
}
