//! Readings as Prometheus text (0.0.4).

use std::fmt::Write as _;

use crate::meter::{BOUNDS, Instrument, Labels, Readings};

/// The whole page.
pub(crate) fn text(readings: &Readings) -> String {
    let mut page = String::new();
    for (instrument, values) in &readings.gauges {
        let name = head(&mut page, *instrument, "gauge");
        for (labels, value) in values {
            line(&mut page, &name, labels, None, *value);
        }
    }
    for (instrument, values) in &readings.distributions {
        let name = head(&mut page, *instrument, "histogram");
        for (labels, distribution) in values {
            let mut below = 0;
            let bounds = BOUNDS.iter().map(f64::to_string).chain(std::iter::once("+Inf".to_owned()));
            for (bound, count) in bounds.zip(distribution.counts) {
                below += count;
                line(&mut page, &format!("{name}_bucket"), labels, Some(&bound), below as f64);
            }
            line(&mut page, &format!("{name}_sum"), labels, None, distribution.sum);
            line(&mut page, &format!("{name}_count"), labels, None, distribution.count as f64);
        }
    }
    page
}

/// Writes the two lines of a metric and hands back its Prometheus name.
fn head(page: &mut String, instrument: Instrument, kind: &str) -> String {
    let unit = match instrument.unit {
        "s" => "_seconds",
        "By" => "_bytes",
        "1" => "_ratio",
        _ => "",
    };
    let name = format!("{}{unit}", instrument.name.replace('.', "_"));
    // Writing to a String cannot fail.
    let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {kind}", instrument.help);
    name
}

fn line(page: &mut String, name: &str, labels: &Labels, bound: Option<&str>, value: f64) {
    let bound = bound.map(|bound| ("le".to_owned(), bound.to_owned()));
    let all: Vec<String> = labels
        .iter()
        .map(|(key, value)| (key.replace('.', "_"), value.clone()))
        .chain(bound)
        .map(|(key, value)| format!("{key}=\"{}\"", escape(&value)))
        .collect();
    let braces = if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) };
    let _ = writeln!(page, "{name}{braces} {value}");
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meter::Meter;

    #[test]
    fn a_page_has_names_units_labels_and_cumulative_buckets() {
        let meter = Meter::default();
        let used = Instrument { name: "process.memory.usage", unit: "By", help: "Memory in use." };
        let time = Instrument { name: "http.server.request.duration", unit: "s", help: "Time of requests." };
        meter.set(used, Vec::new(), 1_024.0);
        for millis in [3, 30, 20_000] {
            meter.record(time, vec![("http.route", "/a\"b".to_owned())], Duration::from_millis(millis));
        }
        let page = text(&meter.read());
        for expected in [
            "# TYPE process_memory_usage_bytes gauge\nprocess_memory_usage_bytes 1024\n",
            "http_server_request_duration_seconds_bucket{http_route=\"/a\\\"b\",le=\"0.005\"} 1\n",
            "http_server_request_duration_seconds_bucket{http_route=\"/a\\\"b\",le=\"10\"} 2\n",
            "http_server_request_duration_seconds_bucket{http_route=\"/a\\\"b\",le=\"+Inf\"} 3\n",
            "http_server_request_duration_seconds_count{http_route=\"/a\\\"b\"} 3\n",
        ] {
            assert!(page.contains(expected), "{expected} is missing in:\n{page}");
        }
    }
}
