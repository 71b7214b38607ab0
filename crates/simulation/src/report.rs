//! What the demo found: faults against what the loop said and did, as a table, as JSON, and as a verdict.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::{Form, Injection};

/// The report of one demo.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Seed of load and faults.
    pub seed: u64,
    /// The form.
    pub form: Form,
    /// One row per fault, in the order of the plan.
    pub rows: Vec<Row>,
    /// Length of the control period.
    pub quiet: Duration,
    /// Interventions that nothing called for, in words: in the control period, or on a part that had no fault.
    pub false_alarms: Vec<String>,
    /// Of these, those in the control period.
    pub quiet_interventions: usize,
    /// Requests sent to the plant, and those without a good answer.
    pub requests: (u64, u64),
    /// The ledger, exported and verified offline.
    pub ledger: LedgerCheck,
    /// Time from start to end.
    pub took: Duration,
}

/// One fault and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was done to the plant.
    pub injection: Injection,
    /// When the loop first spoke about the part that has the fault.
    pub detected: Option<Detection>,
    /// The step it took there.
    pub step: Option<StepTaken>,
}

/// The first word about a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Time since the fault began.
    pub after: Duration,
    /// What it was: an alert's rule or a playbook.
    pub by: String,
}

/// An intervention on the part that has the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// Time from the beginning of the fault to the end of the last step.
    pub after: Duration,
    /// The actions, such as `restart`.
    pub actions: Vec<String>,
    /// The playbook.
    pub playbook: String,
    /// The state of the intervention at the end of the window.
    pub state: String,
}

/// What the offline verifier said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerCheck {
    /// Whether it found nothing.
    pub sound: bool,
    /// Entries it read.
    pub entries: u64,
    /// What it found, in words.
    pub findings: Vec<String>,
}

impl Row {
    /// Time between the first word and the failure that would have come; negative where the word came after it.
    /// `None` where the fault is a failure at once, or was never seen.
    pub fn lead_seconds(&self) -> Option<f64> {
        let failure = self.injection.fault.failure_after()?;
        let detected = self.detected.as_ref()?;
        Some(failure.as_secs_f64() - detected.after.as_secs_f64())
    }

    /// Whether the step is one that cures this fault.
    pub fn is_right_step(&self) -> bool {
        let cures = self.injection.fault.kind.cures();
        self.step
            .as_ref()
            .is_some_and(|step| step.actions.iter().any(|action| cures.contains(&action.as_str())))
    }

    /// Whether the loop saw for itself that the step helped.
    pub fn is_verified(&self) -> bool {
        self.step.as_ref().is_some_and(|step| step.state == "verified")
    }

    /// Whether the fault was seen, and mended by the right step, verified.
    pub fn passes(&self) -> bool {
        self.detected.is_some() && self.is_right_step() && self.is_verified()
    }
}

impl Report {
    /// Whether every fault was seen and mended, nothing was done that nothing called for, and the ledger is sound.
    pub fn passes(&self) -> bool {
        !self.rows.is_empty()
            && self.rows.iter().all(Row::passes)
            && self.false_alarms.is_empty()
            && self.ledger.sound
            && self.ledger.entries > 0
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut cells = vec![
            [
                "fault",
                "at",
                "detected after",
                "by",
                "lead before failure",
                "step taken",
                "done after",
                "verified",
            ]
            .map(str::to_owned),
        ];
        cells.extend(self.rows.iter().map(cells_of));
        let mut text = aligned(&cells);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\nquiet period   {:.0} s, {} interventions",
            self.quiet.as_secs_f64(),
            self.quiet_interventions
        );
        let _ = writeln!(text, "false alarms   {}", self.false_alarms.len());
        for alarm in &self.false_alarms {
            let _ = writeln!(text, "               {alarm}");
        }
        let (sent, failed) = self.requests;
        let _ = writeln!(text, "requests       {sent} sent, {failed} failed");
        let verdict = if self.ledger.sound { "sound" } else { "NOT SOUND" };
        let _ = writeln!(text, "ledger verify  {verdict}, {} entries", self.ledger.entries);
        for finding in &self.ledger.findings {
            let _ = writeln!(text, "               {finding}");
        }
        let found = self.rows.iter().filter(|row| row.passes()).count();
        let verdict = if self.passes() { "passed" } else { "FAILED" };
        let _ = writeln!(
            text,
            "{verdict}: {found} of {} faults found, mended and verified; seed {}, {} form, {:.0} s",
            self.rows.len(),
            self.seed,
            self.form.as_str(),
            self.took.as_secs_f64()
        );
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "fault": row.injection.fault.kind.as_str(),
                    "resource_id": row.injection.role.resource_id(),
                    "detected_after_s": row.detected.as_ref().map(|d| d.after.as_secs_f64()),
                    "detected_by": row.detected.as_ref().map(|d| d.by.clone()),
                    "failure_after_s": row.injection.fault.failure_after().map(|f| f.as_secs_f64()),
                    "lead_s": row.lead_seconds(),
                    "actions": row.step.as_ref().map(|s| s.actions.clone()),
                    "playbook": row.step.as_ref().map(|s| s.playbook.clone()),
                    "done_after_s": row.step.as_ref().map(|s| s.after.as_secs_f64()),
                    "state": row.step.as_ref().map(|s| s.state.clone()),
                    "verified": row.is_verified(),
                    "passed": row.passes(),
                })
            })
            .collect();
        json!({
            "seed": self.seed,
            "form": self.form.as_str(),
            "passed": self.passes(),
            "faults": rows,
            "quiet": { "seconds": self.quiet.as_secs_f64(), "interventions": self.quiet_interventions },
            "false_alarms": self.false_alarms,
            "requests": { "sent": self.requests.0, "failed": self.requests.1 },
            "ledger": {
                "sound": self.ledger.sound,
                "entries": self.ledger.entries,
                "findings": self.ledger.findings,
            },
            "took_s": self.took.as_secs_f64(),
        })
    }
}

fn cells_of(row: &Row) -> [String; 8] {
    let none = || "-".to_owned();
    let lead = match (row.injection.fault.failure_after(), row.lead_seconds()) {
        (None, _) => "fails at once".to_owned(),
        (Some(_), None) => none(),
        (Some(_), Some(lead)) => format!("{lead:.1} s"),
    };
    let step = row.step.as_ref();
    [
        row.injection.fault.kind.title().to_owned(),
        row.injection.role.resource_id().to_owned(),
        row.detected.as_ref().map_or_else(|| "not seen".to_owned(), |d| seconds(d.after)),
        row.detected.as_ref().map_or_else(none, |d| d.by.clone()),
        lead,
        step.map_or_else(|| "none".to_owned(), |s| format!("{} ({})", s.actions.join(", "), s.playbook)),
        step.map_or_else(none, |s| seconds(s.after)),
        step.map_or_else(none, |s| if row.is_verified() { "yes".to_owned() } else { s.state.clone() }),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Columns as wide as their widest cell, with a rule below the head.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text.push_str(&rule.join("  "));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::plan;

    const SECOND: Duration = Duration::from_secs(1);

    fn good() -> Report {
        let plan = plan::short(7);
        let rows = plan
            .injections
            .iter()
            .map(|&injection| Row {
                injection,
                detected: Some(Detection { after: SECOND * 5, by: "stability.low".to_owned() }),
                step: Some(StepTaken {
                    after: SECOND * 8,
                    actions: vec!["restart".to_owned()],
                    playbook: "restart-on-errors".to_owned(),
                    state: "verified".to_owned(),
                }),
            })
            .collect();
        Report {
            seed: 7,
            form: plan.form,
            rows,
            quiet: plan.quiet,
            false_alarms: Vec::new(),
            quiet_interventions: 0,
            requests: (3_000, 12),
            ledger: LedgerCheck { sound: true, entries: 60, findings: Vec::new() },
            took: SECOND * 180,
        }
    }

    #[test]
    fn a_report_passes_only_if_nothing_is_missing() {
        assert!(good().passes());
        type Spoil = fn(&mut Report);
        let spoilt: [(&str, Spoil); 8] = [
            ("not seen", |r| r.rows[0].detected = None),
            ("no step", |r| r.rows[1].step = None),
            ("wrong step", |r| r.rows[0].step.as_mut().unwrap().actions = vec!["scale".to_owned()]),
            ("not verified", |r| r.rows[2].step.as_mut().unwrap().state = "rolled_back".to_owned()),
            ("false alarm", |r| r.false_alarms.push("restart of service:stock".to_owned())),
            ("ledger damaged", |r| r.ledger.sound = false),
            ("ledger empty", |r| r.ledger.entries = 0),
            ("no rows", |r| r.rows.clear()),
        ];
        for (name, spoil) in spoilt {
            let mut report = good();
            spoil(&mut report);
            assert!(!report.passes(), "{name}");
            assert!(report.table().contains("FAILED"), "{name}");
            assert_eq!(report.json()["passed"], false, "{name}");
        }
    }

    #[test]
    fn lead_is_what_was_left_before_the_failure_and_may_be_negative() {
        let report = good();
        for row in &report.rows {
            match row.injection.fault.kind {
                FaultKind::DeadDependency => assert_eq!(row.lead_seconds(), None),
                _ => assert!(row.lead_seconds().unwrap() > 0.0, "{row:?}"),
            }
        }
        let mut late = report.rows[0].clone();
        late.detected = Some(Detection { after: SECOND * 70, by: String::new() });
        assert_eq!(late.lead_seconds(), Some(-20.0));
    }

    #[test]
    fn the_table_lines_up_and_names_every_fault() {
        let table = good().table();
        let lines: Vec<&str> = table.lines().collect();
        let column = lines[0].find("detected after").unwrap();
        for (row, kind) in good().rows.iter().zip(2..) {
            assert!(lines[kind].contains(row.injection.fault.kind.title()));
            assert_eq!(lines[kind].find("5.0 s"), Some(column), "{table}");
        }
        assert!(table.contains("passed: 5 of 5 faults found"), "{table}");
    }
}
