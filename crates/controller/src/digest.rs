//! The canonical text of a plan and its digest: what is approved is exactly what is executed.

use echobase_types::intervention::{Plan, Preview, Step};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// First line of the canonical text; it changes with the form.
const FORM: &str = "echobase plan/1";

/// The canonical text: the form, then JSON with its members in the order of their names.
pub fn canonical(plan: &Plan) -> String {
    let steps: Vec<Value> = plan.steps.iter().map(step).collect();
    let previews: Vec<Value> = plan.previews.iter().map(preview).collect();
    let envelope = &plan.envelope;
    let body = json!({
        "actuator": plan.actuator,
        "envelope": {
            "cooldown_us": envelope.cooldown.as_micros().to_string(),
            "max_per_hour": envelope.max_per_hour,
            // Bits and not decimals: two texts of one number would be two digests.
            "max_share_bits": format!("{:016x}", envelope.max_share.to_bits()),
            "max_units": envelope.max_units,
            "min_available": envelope.min_available,
        },
        "previews": previews,
        "risk": plan.risk.as_str(),
        "steps": steps,
        "success": plan.success,
        "target": plan.target.as_str(),
        "verify_within_us": plan.verify_within.as_micros().to_string(),
    });
    format!("{FORM}\n{body}")
}

fn step(step: &Step) -> Value {
    json!({ "action": step.action, "arguments": step.arguments, "argv": step.argv })
}

fn preview(preview: &Preview) -> Value {
    json!({
        "after": preview.after,
        "before": preview.before,
        "reversible": preview.reversible,
        "summary": preview.summary,
        "target_version": preview.target_version,
        "units": preview.units,
        "units_total": preview.units_total,
    })
}

/// SHA-256 of the canonical text in hex.
pub fn digest(plan: &Plan) -> String {
    let hash = Sha256::digest(canonical(plan).as_bytes());
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;
    use echobase_types::ResourceId;
    use echobase_types::intervention::RiskClass;
    use echobase_types::playbook::SafetyEnvelope;
    use expect_test::expect;
    use std::time::Duration;

    pub(crate) fn plan() -> Plan {
        Plan {
            target: ResourceId::new("service:shop/orders").unwrap(),
            actuator: "process".to_owned(),
            steps: vec![Step {
                action: "scale".to_owned(),
                arguments: [("by".to_owned(), "1".to_owned())].into(),
                argv: Vec::new(),
            }],
            previews: vec![Preview {
                summary: "scale orders from 1 to 2 instances".to_owned(),
                before: "1 instance".to_owned(),
                after: "2 instances".to_owned(),
                units: 1,
                units_total: 2,
                target_version: "1:0".to_owned(),
                reversible: true,
            }],
            success: vec!["stability.score >= 0.7".to_owned()],
            verify_within: Duration::from_secs(120),
            envelope: SafetyEnvelope {
                cooldown: Duration::from_secs(300),
                max_units: 1,
                max_share: 0.1,
                max_per_hour: 3,
                min_available: 0,
            },
            risk: RiskClass::Low,
        }
    }

    #[test]
    fn the_canonical_text_does_not_change_by_itself() {
        expect![[r#"
            echobase plan/1
            {"actuator":"process","envelope":{"cooldown_us":"300000000","max_per_hour":3,"max_share_bits":"3fb999999999999a","max_units":1,"min_available":0},"previews":[{"after":"2 instances","before":"1 instance","reversible":true,"summary":"scale orders from 1 to 2 instances","target_version":"1:0","units":1,"units_total":2}],"risk":"low","steps":[{"action":"scale","arguments":{"by":"1"},"argv":[]}],"success":["stability.score >= 0.7"],"target":"service:shop/orders","verify_within_us":"120000000"}"#]]
        .assert_eq(&canonical(&plan()));
        assert_eq!(digest(&plan()).len(), 64);
    }

    #[test]
    fn whatever_changes_in_a_plan_changes_its_digest() {
        let changes: [fn(&mut Plan); 12] = [
            |p| p.target = ResourceId::new("service:shop/store").unwrap(),
            |p| p.actuator = "command".to_owned(),
            |p| p.steps[0].action = "restart".to_owned(),
            |p| p.steps[0].arguments.clear(),
            |p| p.steps[0].argv.push("x".to_owned()),
            |p| p.previews[0].target_version = "1:1".to_owned(),
            |p| p.previews[0].reversible = false,
            |p| p.success[0] = "true".to_owned(),
            |p| p.verify_within += Duration::from_micros(1),
            |p| p.envelope.max_share += f64::EPSILON,
            |p| p.envelope.cooldown += Duration::from_secs(1),
            |p| p.risk = RiskClass::High,
        ];
        let mut all = vec![digest(&plan())];
        for change in changes {
            let mut changed = plan();
            change(&mut changed);
            all.push(digest(&changed));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
