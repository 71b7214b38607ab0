//! From a request to an objective: every fault is listed with its place.

use std::time::Duration;

use echobase_api::problem::Fault;
use echobase_api::slo::{SloDraft, SloIndicator};
use echobase_controller::playbook::could_match;
use echobase_types::assessment::Vital;
use echobase_types::playbook::Selector;
use echobase_types::slo::{Bound, Side, Sli, Slo};
use echobase_types::{ErrorKind, ResourceKind, SloId, Timestamp};

use crate::problem::{Answer, Failure};

/// Characters of the longest name and the longest description.
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 1_000;
/// Bytes of the longest metric name: as long as ingest takes.
const MAX_METRIC: usize = 256;
/// Days of the longest window.
pub(super) const MAX_DAYS: u32 = 90;
/// Targets between which a budget means something: beyond the upper end one failure in 100,000 is the whole budget.
const TARGETS: (f64, f64) = (0.5, 0.999_99);

/// Version 1 of the objective that a draft describes, or all its faults. `within` is the place of the draft in the
/// request, as a JSON pointer.
pub(super) fn read(draft: &SloDraft, within: &'static str, id: SloId, now: Timestamp) -> Answer<Slo> {
    let mut faults = Faults { within, found: Vec::new() };
    let name = draft.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        faults.add("/name", format!("write 1 to {MAX_NAME} characters"));
    }
    if draft.description.chars().count() > MAX_DESCRIPTION {
        faults.add("/description", format!("write at most {MAX_DESCRIPTION} characters"));
    }
    if !(draft.target >= TARGETS.0 && draft.target <= TARGETS.1) {
        let words = format!("{} is not between {} and {}, such as 0.995", draft.target, TARGETS.0, TARGETS.1);
        faults.add("/target", words);
    }
    if !(1..=MAX_DAYS).contains(&draft.window_days) {
        faults.add("/window_days", format!("{} is not between 1 and {MAX_DAYS}", draft.window_days));
    }
    let selector = selector(draft, &mut faults);
    let sli = indicator(&draft.sli, &mut faults);
    match sli {
        Some(sli) if faults.found.is_empty() => Ok(Slo {
            id,
            version: 1,
            name: name.to_owned(),
            description: draft.description.trim().to_owned(),
            selector,
            sli,
            target: draft.target,
            window: Duration::from_secs(u64::from(draft.window_days) * 86_400),
            created_at: now,
            updated_at: now,
        }),
        _ => Err(faults.failure()),
    }
}

struct Faults {
    within: &'static str,
    found: Vec<Fault>,
}

impl Faults {
    fn add(&mut self, pointer: &str, detail: String) {
        let pointer = Some(format!("{}{pointer}", self.within));
        self.found.push(Fault { pointer, detail, ..Fault::default() });
    }

    fn failure(self) -> Failure {
        let each: Vec<String> = self
            .found
            .iter()
            .map(|f| format!("`{}`: {}", f.pointer.as_deref().unwrap_or_default(), f.detail))
            .collect();
        let words = format!("the objective has faults: {}", each.join("; "));
        Failure(Failure::new(ErrorKind::Unprocessable, words).0.with_errors(self.found))
    }
}

fn selector(draft: &SloDraft, faults: &mut Faults) -> Selector {
    let kind = draft.selector_kind.as_deref().and_then(|word| {
        let kind = ResourceKind::parse(word);
        if kind.is_none() {
            let known = ResourceKind::ALL.map(|k| k.as_str()).join(", ");
            faults.add("/selector_kind", format!("`{word}` is no kind of resource; use {known}"));
        }
        kind
    });
    if let Some(pattern) = &draft.selector_resource {
        let kinds = kind.map_or_else(|| ResourceKind::ALL.to_vec(), |kind| vec![kind]);
        if !could_match(pattern, &kinds) {
            let words = format!(
                "`{pattern}` takes in no resource; write an id or a pattern, such as `service:shop/*`, of a kind \
                 that is counted"
            );
            faults.add("/selector_resource", words);
        }
    }
    Selector { kind, resource: draft.selector_resource.clone() }
}

fn indicator(sli: &SloIndicator, faults: &mut Faults) -> Option<Sli> {
    match sli.kind.as_str() {
        "requests" => {
            strangers(sli, &[], faults);
            Some(Sli::Requests)
        }
        "latency" => {
            strangers(sli, &["threshold"], faults);
            let threshold_s = threshold(sli, faults)?;
            if threshold_s <= 0.0 {
                faults.add("/sli/threshold", format!("{threshold_s} s is not above 0"));
            }
            Some(Sli::Latency { threshold_s })
        }
        "vital" => {
            strangers(sli, &["threshold", "good_when", "vital"], faults);
            let word = sli.vital.as_deref().unwrap_or_default();
            let vital = Vital::parse(word);
            if vital.is_none() {
                let known = Vital::ALL.map(|v| v.as_str()).join(", ");
                faults.add("/sli/vital", format!("`{word}` is no vital sign; use {known}"));
            }
            let bound = bound(sli, faults);
            Some(Sli::Vital { vital: vital?, bound: bound? })
        }
        "metric" => {
            strangers(sli, &["threshold", "good_when", "metric"], faults);
            let name = sli.metric.clone().unwrap_or_default();
            if name.is_empty() || name.len() > MAX_METRIC {
                faults.add("/sli/metric", format!("write the name of a metric, 1 to {MAX_METRIC} bytes"));
            }
            Some(Sli::Metric { name, bound: bound(sli, faults)? })
        }
        word => {
            let words = format!("`{word}` is nothing to count; use requests, latency, vital, metric");
            faults.add("/sli/kind", words);
            None
        }
    }
}

fn threshold(sli: &SloIndicator, faults: &mut Faults) -> Option<f64> {
    let found = sli.threshold.filter(|t| t.is_finite());
    if found.is_none() {
        faults.add("/sli/threshold", format!("`{}` needs a number", sli.kind));
    }
    found
}

fn bound(sli: &SloIndicator, faults: &mut Faults) -> Option<Bound> {
    let word = sli.good_when.as_deref().unwrap_or_default();
    let side = Side::parse(word);
    if side.is_none() {
        faults.add("/sli/good_when", format!("`{word}` is no side; use at_most or at_least"));
    }
    let threshold = threshold(sli, faults);
    Some(Bound { side: side?, threshold: threshold? })
}

/// Members that would have no effect are refused: whoever wrote them meant something else.
fn strangers(sli: &SloIndicator, known: &[&str], faults: &mut Faults) {
    for (member, is_given) in [
        ("threshold", sli.threshold.is_some()),
        ("good_when", sli.good_when.is_some()),
        ("vital", sli.vital.is_some()),
        ("metric", sli.metric.is_some()),
    ] {
        if is_given && !known.contains(&member) {
            faults.add(&format!("/sli/{member}"), format!("`{}` takes no `{member}`", sli.kind));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use serde_json::{Value, json};

    use super::*;

    fn faults(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut text = json!({
            "name": "checkout answers", "selector_resource": "service:shop/checkout",
            "sli": { "kind": "vital", "vital": "up", "good_when": "at_least", "threshold": 1.0 }, "target": 0.995
        });
        change(&mut text);
        let draft: SloDraft = serde_json::from_value(text).unwrap();
        let id = SloId::from_uuid(uuid::Uuid::from_u128(1));
        let found = read(&draft, "", id, Timestamp::EPOCH).err().map(|f| f.0.errors).unwrap_or_default();
        found.into_iter().filter_map(|fault| fault.pointer).collect()
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        assert!(faults(|_| ()).is_empty());
        let set = |pointer: &'static str, value: Value| {
            faults(move |draft| *draft.pointer_mut(pointer).unwrap() = value)
        };
        for (pointer, value) in [
            ("/name", json!(" ")),
            ("/target", json!(1.0)),
            ("/target", json!(0.1)),
            ("/selector_resource", json!("nothing such")),
            ("/sli/kind", json!("uptime")),
            ("/sli/vital", json!("speed")),
            ("/sli/good_when", json!("above")),
            ("/sli/threshold", json!(null)),
        ] {
            assert_eq!(set(pointer, value.clone()), [pointer], "{value}");
        }
        assert_eq!(faults(|d| d["window_days"] = json!(0)), ["/window_days"]);
        assert_eq!(faults(|d| d["selector_kind"] = json!("pod")), ["/selector_kind"]);
        assert_eq!(faults(|d| d["selector_kind"] = json!("host")), ["/selector_resource"]);
        assert_eq!(
            faults(|d| d["sli"] = json!({ "kind": "requests", "threshold": 1.0 })),
            ["/sli/threshold"]
        );
        assert_eq!(faults(|d| d["sli"] = json!({ "kind": "latency", "threshold": 0.0 })), ["/sli/threshold"]);
        let several = faults(|d| (d["name"], d["target"]) = (json!(""), json!(2.0)));
        assert_eq!(several, ["/name", "/target"]);
    }
}
