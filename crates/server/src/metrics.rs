//! The server's own metrics in the Prometheus text format 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use crate::app::App;

/// All of them.
pub(crate) fn render(app: &App) -> String {
    let mut page = Page::default();
    page.family("echobase_ingest_rows_total", "counter", "Rows accepted and stored durably.");
    page.value("", app.intake.kept().rows());
    page.family("echobase_ingest_rejected_rows_total", "counter", "Rows rejected, by reason.");
    for (reason, count) in app.intake.rejected() {
        page.value(&format!("{{reason=\"{}\"}}", reason.as_str()), count);
    }
    let help =
        "Datagrams received, messages or lines refused, rows not stored, datagrams dropped by the system.";
    page.family("echobase_ingest_datagrams_total", "counter", help);
    for (receiver, stats) in &app.datagrams {
        for (outcome, count) in [
            ("received", &stats.received),
            ("rejected", &stats.rejected),
            ("unstored", &stats.unstored),
            ("dropped", &stats.dropped),
        ] {
            let labels = format!("{{receiver=\"{receiver}\",outcome=\"{outcome}\"}}");
            page.value(&labels, count.load(Ordering::Relaxed));
        }
    }
    let stats = app.telemetry.stats();
    for (name, kind, help, value) in [
        ("echobase_telemetry_log_bytes", "gauge", "Bytes of the write-ahead log.", stats.log_bytes),
        ("echobase_telemetry_files", "gauge", "Live data files.", stats.files),
        ("echobase_telemetry_file_bytes", "gauge", "Bytes of live data files.", stats.file_bytes),
        ("echobase_telemetry_syncs_total", "counter", "Durable flushes of the log.", stats.syncs),
        (
            "echobase_telemetry_appended_rows_total",
            "counter",
            "Rows appended to the log.",
            stats.rows_appended,
        ),
        (
            "echobase_telemetry_quarantined_frames_total",
            "counter",
            "Damaged frames set aside at recovery.",
            stats.quarantined_frames,
        ),
    ] {
        page.family(name, kind, help);
        page.value("", value);
    }
    page.family("echobase_analysis_cycle_seconds", "gauge", "Seconds that the last cycle took.");
    page.value("", app.analysis.last_cycle().as_secs_f64());
    let counted = app.analysis.counted();
    let help = "Rows that came to the analysis since the start, by what became of them: taken, late, not finite, or beyond \
                the limit of a resource.";
    page.family("echobase_analysis_rows_total", "counter", help);
    for (tenant, counted) in &counted {
        let counts = counted.counts;
        for (outcome, count) in [
            ("taken", counts.taken),
            ("late", counts.late),
            ("not_finite", counts.not_finite),
            ("overflow", counts.overflow),
        ] {
            page.value(&format!("{{tenant=\"{tenant}\",outcome=\"{outcome}\"}}"), count);
        }
    }
    let help = "Anomalies dropped because one resource had too many of them in one cycle, by tenant.";
    page.family("echobase_analysis_untold_anomalies_total", "counter", help);
    for (tenant, counted) in &counted {
        page.value(&format!("{{tenant=\"{tenant}\"}}"), counted.counts.untold);
    }
    page.family("echobase_analysis_series", "gauge", "Series that are watched, by tenant.");
    for (tenant, counted) in &counted {
        page.value(&format!("{{tenant=\"{tenant}\"}}"), counted.series);
    }
    page.family("echobase_analysis_bytes", "gauge", "About how much memory they take, by tenant.");
    for (tenant, counted) in &counted {
        page.value(&format!("{{tenant=\"{tenant}\"}}"), counted.bytes);
    }
    page.family("echobase_ledger_entries", "gauge", "Entries of the log, by tenant.");
    for (tenant, state) in app.keeper.states() {
        page.value(&format!("{{tenant=\"{tenant}\"}}"), state.size);
    }
    page.family("echobase_ledger_intact", "gauge", "1 if the last check of the log found nothing, else 0.");
    for (tenant, state) in app.keeper.states() {
        page.value(&format!("{{tenant=\"{tenant}\"}}"), u8::from(state.state == "intact"));
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn value(&mut self, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}
