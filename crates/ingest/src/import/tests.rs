#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::fmt::Write as _;
use std::io::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn import<'a>(text: &'a [u8], mapping: &Mapping) -> Result<CsvImport<&'a [u8]>, ImportError> {
    CsvImport::open(text, &CsvOptions::default(), mapping)
}

fn shown_all(text: &[u8], mapping: &Mapping) -> String {
    let import = match import(text, mapping) {
        Ok(import) => import,
        Err(error) => return format!("{error}\n"),
    };
    let mut out = String::new();
    let columns: Vec<_> =
        import.columns().iter().map(|c| format!("{}[{}]{}", c.metric, c.unit, c.kind.as_str())).collect();
    writeln!(out, "{} | left out: {}", columns.join(" "), import.left_out().join(" ")).unwrap();
    for chunk in import {
        let chunk = chunk.unwrap();
        for table in &chunk.tables {
            for row in &table.rows {
                writeln!(out, "{} {} {:?}", table.resource.id, row.time, row.values).unwrap();
            }
        }
        for d in &chunk.dirty {
            writeln!(out, "line {} {:?} {:?}: {}: {}", d.line, d.column, d.cell, d.reason.as_str(), d.detail)
                .unwrap();
        }
    }
    out
}

#[track_caller]
fn check(text: &str, mapping: &Mapping, expected: Expect) {
    expected.assert_eq(&shown_all(text.as_bytes(), mapping));
}

#[test]
fn a_plain_table_needs_no_mapping() {
    check(
        "timestamp,cpu,memory,note\n2024-01-31 08:30:00,0.5,1e9,fine\n2024-01-31 08:31:00,,2e9,\n",
        &Mapping::default(),
        expect![[r#"
            cpu[]gauge memory[]gauge | left out: note
            process:import 2024-01-31T08:30:00.000000Z [Some(0.5), Some(1000000000.0)]
            process:import 2024-01-31T08:31:00.000000Z [None, Some(2000000000.0)]
        "#]],
    );
}

#[test]
fn dialects_are_told() {
    check(
        "Zeit;Wert\n31.01.2024;3,14\n",
        &Mapping {
            time_column: Some("Zeit".to_owned()),
            time_format: TimeFormat::parse("%d.%m.%Y").unwrap(),
            ..Mapping::default()
        },
        expect![[r#"
            Wert[]gauge | left out: 
            process:import 2024-01-31T00:00:00.000000Z [Some(3.14)]
        "#]],
    );
    check(
        "\u{feff}1700000000\t1\t\"a, b\"\n1700000060\t2\tc\n",
        &Mapping::default(),
        expect![[r#"
            2[]gauge | left out: 3
            process:import 2023-11-14T22:13:20.000000Z [Some(1.0)]
            process:import 2023-11-14T22:14:20.000000Z [Some(2.0)]
        "#]],
    );
}

#[test]
fn a_mapping_names_metrics_and_resources() {
    let mapping = Mapping {
        metrics: ["tx=net.sent:By:counter", "util=cpu:1"].map(|m| MetricColumn::parse(m).unwrap()).to_vec(),
        resource_column: Some("machine".to_owned()),
        resource_kind: echobase_types::ResourceKind::Host,
        ..Mapping::default()
    };
    check(
        "when,machine,tx,util,other\n2024-01-01,db 1,5,0.5,9\n2024-01-01,service:shop,6,,9\n2024-01-02,db 1,7,0.25,9\n,db 1,7,1,9\n2024-01-03,,7,1,9\n",
        &mapping,
        expect![[r#"
            net.sent[By]counter cpu[1]gauge | left out: other
            host:db%201 2024-01-01T00:00:00.000000Z [Some(5.0), Some(0.5)]
            host:db%201 2024-01-02T00:00:00.000000Z [Some(7.0), Some(0.25)]
            service:shop 2024-01-01T00:00:00.000000Z [Some(6.0), None]
            line 5 "when" "": missing: row has no time
            line 6 "machine" "": missing: row has no resource
        "#]],
    );
}

#[test]
fn dirty_rows_are_listed_with_line_column_and_cell_and_skipped() {
    check(
        "time,a,b\n2024-01-01,1,2\nyesterday,1,2\n2024-01-02,x,2\n2024-01-03,1\n2024-01-04,inf,2\n2024-01-05,NaN,2\n\"2024-01-06\",\"1\n\",2\n2024-01-07,1,two\n2024-01-08,3,4\n",
        &Mapping::default(),
        expect![[r#"
            a[]gauge b[]gauge | left out: 
            process:import 2024-01-01T00:00:00.000000Z [Some(1.0), Some(2.0)]
            process:import 2024-01-05T00:00:00.000000Z [None, Some(2.0)]
            process:import 2024-01-06T00:00:00.000000Z [Some(1.0), Some(2.0)]
            process:import 2024-01-08T00:00:00.000000Z [Some(3.0), Some(4.0)]
            line 3 "time" "yesterday": malformed: cell is no time
            line 4 "a" "x": malformed: cell is no number
            line 5 "" "2024-01-031": malformed: row has 2 cells instead of 3
            line 6 "a" "inf": not_finite: cell is infinite
            line 10 "b" "two": malformed: cell is no number
        "#]],
    );
}

#[test]
fn a_table_that_cannot_be_read_says_what_it_has() {
    check(
        "a,b\n1,x\n",
        &Mapping::default(),
        expect![[r#"
        no column holds numbers: name one with --metric; the columns are `a`, `b`
    "#]],
    );
    check(
        "a,b\nx,y\n",
        &Mapping::default(),
        expect![[r#"
        no column is a time: name it with --time-column; the columns are `a`, `b`
    "#]],
    );
    let mapping = Mapping { time_column: Some("when".to_owned()), ..Mapping::default() };
    check(
        "a,b\n1,2\n",
        &mapping,
        expect![[r#"
        table has no column `when`; it has `a`, `b`
    "#]],
    );
    check(
        "",
        &Mapping::default(),
        expect![[r#"
        no column is a time: name it with --time-column; the columns are 
    "#]],
    );
}

fn numbered(rows: usize) -> Vec<u8> {
    let mut text = b"time,v\n".to_vec();
    for n in 0..rows {
        let value = if n % 100 == 50 { "dirty".to_owned() } else { n.to_string() };
        writeln!(text, "{},{value}", 1_700_000_000 + n).unwrap();
    }
    text
}

fn values(import: CsvImport<&[u8]>) -> (Vec<f64>, usize, Vec<Place>) {
    let (mut all, mut dirty, mut places) = (Vec::new(), 0, Vec::new());
    for chunk in import {
        let chunk = chunk.unwrap();
        all.extend(chunk.tables.iter().flat_map(|t| &t.rows).flat_map(|r| r.values.iter().flatten()));
        dirty += chunk.dirty.len();
        places.push(chunk.place);
    }
    (all, dirty, places)
}

#[test]
fn an_import_goes_on_where_any_chunk_ended() {
    let text = numbered(3);
    let one_by_one = Mapping { rows_per_chunk: 1, ..Mapping::default() };
    let (_, _, places) = values(import(&text, &one_by_one).unwrap());
    let (rest, ..) = values(import(&text, &one_by_one).unwrap().resume(places[0]));
    assert_eq!(rest, [1.0, 2.0]);
    let text = numbered(1_000);
    let mapping = Mapping { rows_per_chunk: 90, ..Mapping::default() };
    let (whole, dirty, places) = values(import(&text, &mapping).unwrap());
    assert_eq!((whole.len(), dirty, places.len()), (990, 10, 12));
    assert_eq!(places.last().unwrap(), &Place { offset: text.len() as u64, line: 1_001 });
    for place in places {
        let before = place.line as usize - 1;
        let (rest, dirty, _) = values(import(&text, &mapping).unwrap().resume(place));
        assert_eq!(rest.len() + dirty, 1_000 - before, "{place:?}");
        assert_eq!(rest[..], whole[whole.len() - rest.len()..]);
    }
}

#[test]
fn packed_text_is_the_same_text() {
    let text = numbered(5_000);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&text).unwrap();
    let packed = packer.finish().unwrap();
    let mapping = Mapping::default();
    assert_eq!(values(import(&packed, &mapping).unwrap()), values(import(&text, &mapping).unwrap()));
    let cut =
        import(&packed[..packed.len() - 20], &mapping).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Rows as a reader of Parquet gives them.
struct Cells(Vec<String>, std::vec::IntoIter<Vec<Cell>>, u64);

impl Rows for Cells {
    fn columns(&self) -> &[String] {
        &self.0
    }

    fn next_row(&mut self, cells: &mut Vec<Cell>) -> Option<Result<Result<Place, Dirty>, ImportError>> {
        *cells = self.1.next()?;
        self.2 += 1;
        Some(Ok(Ok(Place { offset: self.2, line: self.2 })))
    }
}

#[test]
fn cells_of_another_reader_go_the_same_way() {
    let time = Cell::Time(Timestamp::from_secs(5));
    let rows = vec![
        vec![time.clone(), Cell::Number(1.0), Cell::Text("db".to_owned())],
        vec![time, Cell::Missing, Cell::Text("db".to_owned())],
        vec![Cell::Missing, Cell::Number(1.0), Cell::Text("db".to_owned())],
    ];
    let names = ["at", "v", "host"].map(str::to_owned).to_vec();
    let mapping = Mapping { resource_column: Some("host".to_owned()), ..Mapping::default() };
    let all: Vec<Chunk> =
        Import::new(Cells(names, rows.into_iter(), 0), &mapping).unwrap().collect::<Result<_, _>>().unwrap();
    let [chunk] = &all[..] else { panic!("{all:?}") };
    assert_eq!((chunk.rows(), chunk.dirty[0].line, chunk.place.offset), (2, 3, 3));
    assert_eq!(chunk.tables[0].resource.id.as_str(), "process:db");
}

#[test]
fn metric_columns_are_read_from_their_flag() {
    use echobase_types::signal::MetricKind::{Counter, Gauge};
    for (text, expected) in [
        ("a", Some(("a", "a", "", Gauge))),
        ("a=b", Some(("a", "b", "", Gauge))),
        ("a=b:ms", Some(("a", "b", "ms", Gauge))),
        ("a=b:counter", Some(("a", "b", "", Counter))),
        ("a=b:By:counter", Some(("a", "b", "By", Counter))),
        ("x=y=b", Some(("x=y", "b", "", Gauge))),
        ("counter=counter", Some(("counter", "counter", "", Gauge))),
        ("a=", None),
        ("=b", None),
        ("", None),
        ("a=b:c:d:e", None),
        ("a=b:histogram", None),
    ] {
        let read = MetricColumn::parse(text).ok();
        let read = read.as_ref().map(|m| (m.column.as_str(), m.name.as_str(), m.unit.as_str(), m.kind));
        assert_eq!(read, expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        _ = shown_all(&text, &Mapping::default());
    }

    #[test]
    fn texts_made_of_csv_never_panic(text in "(time|[,;\t\"\n]|2024-01-01|-?[0-9]{1,12}|é|\u{1f}\u{8b}){0,60}") {
        _ = shown_all(text.as_bytes(), &Mapping::default());
    }
}
