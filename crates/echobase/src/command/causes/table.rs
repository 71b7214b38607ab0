//! An incident as a folder of files, and the order of its causes as rows `rank,node,metric`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use anyhow::{Context as _, ensure};
use echobase_analysis::causes::{Incident, Measured, Ranking, Symptom};
use echobase_types::Timestamp;

/// Values by node and metric.
type Table = BTreeMap<(String, String), Vec<(Timestamp, f64)>>;

/// Reads `normal.csv`, `incident.csv` and, if they are there, `target.json` and `edges.csv`.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Incident> {
    let table = |name: &str| -> anyhow::Result<Table> {
        let file = File::open(folder.join(name)).with_context(|| format!("open {name}"))?;
        values(BufReader::new(file)).with_context(|| name.to_owned())
    };
    let (mut normal, incident) = (table("normal.csv")?, table("incident.csv")?);
    let series = incident.into_iter().map(|((node, metric), incident)| {
        let normal = normal.remove(&(node.clone(), metric.clone())).unwrap_or_default();
        Measured { node, metric, normal, incident, floor: 0.0 }
    });
    Ok(Incident {
        measured: series.collect(),
        calls: match optional(folder, "edges.csv")? {
            Some(file) => calls(file).context("edges.csv")?,
            None => Vec::new(),
        },
        symptom: match optional(folder, "target.json")? {
            Some(file) => symptom(file).context("target.json")?,
            None => None,
        },
        changes: Vec::new(),
    })
}

/// A file that may be missing.
fn optional(folder: &Path, name: &str) -> anyhow::Result<Option<BufReader<File>>> {
    match File::open(folder.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => Ok(Some(BufReader::new(file.with_context(|| format!("open {name}"))?))),
    }
}

/// Rows `ts,node,metric,value`; an empty value is a missing one. Time is in seconds.
fn values(input: impl Read) -> anyhow::Result<Table> {
    let mut reader = csv::Reader::from_reader(input);
    let header = reader.headers().context("read the header")?.clone();
    let column = |name: &str| {
        header.iter().position(|h| h == name).with_context(|| format!("the header has no column `{name}`"))
    };
    let (ts, node, metric, value) = (column("ts")?, column("node")?, column("metric")?, column("value")?);
    let mut table = Table::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or("").trim();
        if cell(value).is_empty() {
            continue;
        }
        let number = |name: &str, text: &str| -> anyhow::Result<f64> {
            text.parse().with_context(|| format!("row {row}: {name} `{text}` is not a number"))
        };
        let (seconds, figure) = (number("ts", cell(ts))?, number("value", cell(value))?);
        ensure!(seconds.abs() < 9e12, "row {row}: ts `{seconds}` is not a time in seconds");
        if figure.is_finite() {
            let time = Timestamp::from_micros((seconds * 1e6).round() as i64);
            let key = (cell(node).to_owned(), cell(metric).to_owned());
            table.entry(key).or_default().push((time, figure));
        }
    }
    for rows in table.values_mut() {
        rows.sort_by_key(|(time, _)| *time);
        // Of two values of one time the first stands.
        rows.dedup_by_key(|(time, _)| *time);
    }
    Ok(table)
}

/// Rows `caller,callee`.
fn calls(input: impl Read) -> anyhow::Result<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_reader(input);
    let header = reader.headers().context("read the header")?.clone();
    if header.is_empty() {
        return Ok(Vec::new());
    }
    let column = |name: &str| {
        header.iter().position(|h| h == name).with_context(|| format!("the header has no column `{name}`"))
    };
    let (caller, callee) = (column("caller")?, column("callee")?);
    let mut out = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |at: usize| record.get(at).unwrap_or("").trim().to_owned();
        out.push((cell(caller), cell(callee)));
    }
    Ok(out)
}

/// `{"node": …, "metric": …}`, or `{}` where the symptom is not known.
fn symptom(input: impl Read) -> anyhow::Result<Option<Symptom>> {
    let target: serde_json::Value = serde_json::from_reader(input).context("read JSON")?;
    let text = |key: &str| target.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    Ok(text("node").map(|node| Symptom { node, metric: text("metric") }))
}

/// The order as CSV.
pub(crate) fn write(ranking: &Ranking) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["rank", "node", "metric"])?;
    for (at, cause) in ranking.causes.iter().enumerate() {
        out.write_record([(at + 1).to_string().as_str(), &cause.node, &cause.metric])?;
    }
    out.into_inner().context("write the order of causes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_series_in_order_of_time() {
        let text = "ts,node,metric,value\n20,b,m,2\n10.5,b,m,1\n20,b,m,9\n30,b,m,\n10,a,m,NaN\n";
        let table = values(text.as_bytes()).unwrap();
        let rows = [(10_500, 1.0), (20_000, 2.0)].map(|(ms, v)| (Timestamp::from_millis(ms), v));
        assert_eq!(table, Table::from([(("b".into(), "m".into()), rows.to_vec())]));
    }

    #[test]
    fn errors_name_the_row() {
        for (text, want) in [
            ("ts,node,value\n", "no column `metric`"),
            ("ts,node,metric,value\n1,a,m,1\n2,a,m,high\n", "row 3: value `high` is not a number"),
            ("ts,node,metric,value\nnow,a,m,1\n", "row 2: ts `now` is not a number"),
            ("ts,node,metric,value\n1e300,a,m,1\n", "row 2: ts"),
        ] {
            let error = format!("{:#}", values(text.as_bytes()).expect_err("it should not be read"));
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn targets_and_edges_may_be_empty() {
        assert_eq!(symptom("{}".as_bytes()).unwrap(), None);
        let full = symptom(r#"{"node": "shop", "metric": "latency"}"#.as_bytes()).unwrap();
        assert_eq!(full, Some(Symptom { node: "shop".into(), metric: Some("latency".into()) }));
        assert_eq!(calls("caller,callee\n".as_bytes()).unwrap(), []);
        assert_eq!(calls("".as_bytes()).unwrap(), []);
        assert_eq!(calls("caller,callee\na,b\n".as_bytes()).unwrap(), [("a".into(), "b".into())]);
    }
}
