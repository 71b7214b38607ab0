//! The YAML form. Its doc comments are the manual and the schema that the editor completes from.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use echobase_types::intervention::{InterventionType, RiskClass, Step};
use echobase_types::playbook::{Autonomy, SafetyEnvelope, Selector};
use echobase_types::{ResourceKind, duration};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::keys::Shape;
use super::{Fault, ParsedPlaybook, could_match, place, step};
use crate::condition::Condition;

/// Longest source in bytes.
pub const MAX_BYTES: usize = 65_536;

/// Steps of the longest playbook.
const MAX_STEPS: usize = 16;

/// A playbook: when this holds, propose that, under these limits.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Echobase playbook")]
struct PlaybookFile {
    /// Its name, unique in the tenant: 1 to 63 of a-z, 0-9 and `-`.
    #[schemars(with = "String")]
    name: Option<Spanned<String>>,
    /// What it is for, in words.
    #[serde(default)]
    description: String,
    /// Which resources it looks at. Default: all.
    #[serde(default)]
    selector: SelectorFile,
    /// The condition, in CEL over the assessment, such as `stability.score < 0.5`.
    #[schemars(with = "String")]
    when: Option<Spanned<String>>,
    /// How long the condition must hold, such as `30s`. Default: 0s.
    #[schemars(with = "Option<String>")]
    hold_for: Option<Spanned<String>>,
    /// `proactive`, `reactive`, `recovery` or `optimisation`. Default: `reactive`.
    #[serde(rename = "type")]
    #[schemars(with = "Option<TypeWord>")]
    kind: Option<Spanned<String>>,
    /// `low`, `medium` or `high`: who must approve. Default: `medium`.
    #[schemars(with = "Option<RiskWord>")]
    risk: Option<Spanned<String>>,
    /// The actuator: `process`, `command`, `webhook`.
    #[schemars(with = "String")]
    actuator: Option<Spanned<String>>,
    /// What to do, in order: 1 to 16 steps.
    #[schemars(with = "Vec<StepFile>")]
    steps: Option<Spanned<Vec<Spanned<StepFile>>>>,
    /// CEL conditions that must all hold afterwards; else what was done is undone.
    #[schemars(with = "Vec<String>")]
    success: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long success may take to show. Default: 2m.
    #[schemars(with = "Option<String>")]
    verify_within: Option<Spanned<String>>,
    /// Limits.
    #[serde(default)]
    envelope: EnvelopeFile,
    /// `observe`, `suggest`, `approve` or `auto`: how far it may go by itself. Default: `suggest`.
    #[schemars(with = "Option<AutonomyWord>")]
    autonomy: Option<Spanned<String>>,
}

/// Which resources: all conditions that are set must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SelectorFile {
    /// `host`, `service`, `agent`, `engine` or `process`.
    #[schemars(with = "Option<String>")]
    kind: Option<Spanned<String>>,
    /// Id of a resource, or a pattern with `*`.
    #[schemars(with = "Option<String>")]
    resource: Option<Spanned<String>>,
}

/// One step.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StepFile {
    /// The action of the actuator, such as `restart`, `scale` or `run`.
    #[schemars(with = "String")]
    action: Option<Spanned<String>>,
    /// Its arguments.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    arguments: Arguments,
    /// Refused: commands get their arguments from the configuration.
    #[schemars(with = "Option<Vec<String>>")]
    argv: Option<Spanned<Vec<String>>>,
}

/// Limits within which it stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct EnvelopeFile {
    /// Time after an intervention on a target before the next. Default and least: 5m (the operator's configuration
    /// may lower the least).
    #[schemars(with = "Option<String>")]
    cooldown: Option<Spanned<String>>,
    /// Units one intervention may touch. Default: 1.
    #[schemars(with = "Option<u32>")]
    max_units: Option<Spanned<u32>>,
    /// Share of the target's units one intervention may touch, 0 to 1; one unit is always allowed. Default: 0.1.
    #[schemars(with = "Option<f64>")]
    max_share: Option<Spanned<f64>>,
    /// Interventions per hour, over all targets. Default: 3.
    #[schemars(with = "Option<u32>")]
    max_per_hour: Option<Spanned<u32>>,
    /// Units that must stay untouched. Default: 0.
    min_available: Option<u32>,
}

/// Words of `type`, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum TypeWord {
    Proactive,
    Reactive,
    Recovery,
    Optimisation,
}

/// Words of `risk`, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum RiskWord {
    Low,
    Medium,
    High,
}

/// Words of `autonomy`, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum AutonomyWord {
    Observe,
    Suggest,
    Approve,
    Auto,
}

/// A text, a number or true/false, kept as it is written.
#[derive(Debug, JsonSchema)]
#[schemars(with = "serde_json::Value")]
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }
            fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar(v.to_owned()))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Arguments, each with its place.
#[derive(Debug, Default)]
struct Arguments(Vec<(Spanned<String>, Spanned<Scalar>)>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Arguments;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arguments with their names")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Arguments, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Arguments(all))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The JSON Schema of the YAML form.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(PlaybookFile).to_value()
}

/// Reads and checks; see [`super::parse`].
pub(super) fn read(text: &str) -> Result<ParsedPlaybook, Vec<Fault>> {
    let whole = |detail: String| vec![Fault { line: 1, column: 1, key: String::new(), message: detail }];
    if text.len() > MAX_BYTES {
        return Err(whole(format!("the playbook has more than {MAX_BYTES} bytes")));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 16, max_nodes: 2_000, max_documents: 1, max_aliases: 0 },
        with_snippet: false,
    };
    let mut check = Check { text, faults: Vec::new() };
    match serde_saphyr::from_str_with_options::<Shape>(text, options.clone()) {
        Ok(shape) => check.keys(&shape),
        Err(e) => check.unreadable(&e),
    }
    let parsed = match serde_saphyr::from_str_with_options::<Spanned<PlaybookFile>>(text, options) {
        Ok(file) => check.playbook(file),
        Err(e) => {
            check.unreadable(&e);
            None
        }
    };
    match parsed {
        Some(parsed) if check.faults.is_empty() => Ok(parsed),
        _ => {
            check.faults.sort();
            check.faults.dedup();
            Err(check.faults)
        }
    }
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n.max(1)).unwrap_or(u32::MAX)
}

struct Check<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, at: Location, key: &str, detail: impl Into<String>) {
        self.faults.push(Fault {
            line: narrow(at.line()),
            column: narrow(at.column()),
            key: key.to_owned(),
            message: detail.into(),
        });
    }

    /// What the parser says of a text that has not the form.
    fn unreadable(&mut self, e: &serde_saphyr::Error) {
        let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
        let said = e.without_snippet().to_string();
        // The place stands in its own fields.
        let message = said.split(" at line ").next().unwrap_or(&said).to_owned();
        self.faults.push(Fault { line: narrow(line), column: narrow(column), key: String::new(), message });
    }

    /// Every key that the form does not have.
    fn keys(&mut self, shape: &Shape) {
        let mut all = vec![
            ("", shape.strangers::<PlaybookFile>()),
            ("selector.", shape.below("selector").strangers::<SelectorFile>()),
            ("envelope.", shape.below("envelope").strangers::<EnvelopeFile>()),
        ];
        let steps = shape.below("steps").members();
        all.extend(steps.iter().map(|step| ("steps.", step.strangers::<StepFile>())));
        for (above, strangers) in all {
            for (at, key, words) in strangers {
                self.fault(at, &format!("{above}{key}"), words);
            }
        }
    }

    /// What must be there; where it is not, the place is that of what it should stand in.
    fn required<T>(&mut self, key: &str, found: Option<T>, within: Location) -> Option<T> {
        if found.is_none() {
            let name = key.rsplit('.').next().unwrap_or(key);
            self.fault(within, key, format!("missing field `{name}`"));
        }
        found
    }

    fn playbook(&mut self, file: Spanned<PlaybookFile>) -> Option<ParsedPlaybook> {
        let (whole, file) = (file.referenced, file.value);
        let name = self.required("name", file.name, whole);
        let name_fits = |name: &str| {
            (1..=63).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if let Some(name) = name.as_ref().filter(|name| !name_fits(&name.value)) {
            self.fault(name.referenced, "name", "use 1 to 63 of a-z, 0-9 and `-`");
        }
        let selector = self.selector(file.selector);
        let condition =
            self.required("when", file.when, whole).and_then(|when| self.condition("when", &when));
        let hold_for = self.length("hold_for", file.hold_for, Duration::ZERO, Duration::from_secs(86_400));
        let kind = self
            .word("type", file.kind, InterventionType::parse, &InterventionType::ALL.map(|t| t.as_str()))
            .unwrap_or(InterventionType::Reactive);
        let risk = self
            .word("risk", file.risk, RiskClass::parse, &RiskClass::ALL.map(|r| r.as_str()))
            .unwrap_or(RiskClass::Medium);
        let autonomy = self
            .word("autonomy", file.autonomy, Autonomy::parse, &Autonomy::ALL.map(|a| a.as_str()))
            .unwrap_or(Autonomy::Suggest);
        let actuator = self.required("actuator", file.actuator, whole);
        let known = |name: &str| step::ACTUATORS.iter().find(|known| **known == name).copied();
        let actuator = self.word("actuator", actuator, known, &step::ACTUATORS);
        let steps = self.required("steps", file.steps, whole);
        let steps = steps.map(|steps| self.steps(actuator.unwrap_or_default(), steps));
        let success = self.required("success", file.success, whole);
        if let Some(success) = success.as_ref().filter(|s| s.value.is_empty()) {
            self.fault(
                success.referenced,
                "success",
                "name at least one condition that proves the effect; without one nothing could ever be verified",
            );
        }
        let success = success.map(|all| {
            all.value.iter().filter_map(|c| self.condition("success", c)).collect::<Vec<Condition>>()
        });
        let day = Duration::from_secs(86_400);
        let verify_within = self.length("verify_within", file.verify_within, Duration::from_secs(120), day);
        let envelope = self.envelope(file.envelope);
        Some(ParsedPlaybook {
            name: name?.value,
            description: file.description,
            selector,
            condition: condition?,
            hold_for,
            kind,
            risk,
            actuator: actuator?.to_owned(),
            steps: steps?,
            success: success?,
            verify_within,
            envelope,
            autonomy,
        })
    }

    fn selector(&mut self, file: SelectorFile) -> Selector {
        let kind = self.word(
            "selector.kind",
            file.kind,
            ResourceKind::parse,
            &ResourceKind::ALL.map(|k| k.as_str()),
        );
        if let Some(pattern) = &file.resource {
            let kinds = kind.map_or_else(|| ResourceKind::ALL.to_vec(), |kind| vec![kind]);
            if !could_match(&pattern.value, &kinds) {
                let kinds: Vec<&str> = kinds.iter().map(|k| k.as_str()).collect();
                let words = format!(
                    "`{}` takes in no resource: write an id or a pattern, such as `{}:shop/*`; kinds are {}",
                    pattern.value,
                    kinds.get(1).or(kinds.first()).copied().unwrap_or_default(),
                    kinds.join(", ")
                );
                self.fault(pattern.referenced, "selector.resource", words);
            }
        }
        Selector { kind, resource: file.resource.map(|pattern| pattern.value) }
    }

    fn steps(&mut self, actuator: &str, steps: Spanned<Vec<Spanned<StepFile>>>) -> Vec<Step> {
        if steps.value.is_empty() || steps.value.len() > MAX_STEPS {
            self.fault(steps.referenced, "steps", format!("name 1 to {MAX_STEPS} steps"));
        }
        let mut all = Vec::new();
        for step in steps.value {
            let (at, step) = (step.referenced, step.value);
            let Some(action) = self.required("steps.action", step.action, at) else { continue };
            let arguments: Vec<(Spanned<String>, Spanned<String>)> = step
                .arguments
                .0
                .into_iter()
                .map(|(name, value)| {
                    let value = Spanned::new(value.value.0, value.referenced, value.defined);
                    (name, value)
                })
                .collect();
            let argv = step.argv.filter(|argv| !argv.value.is_empty()).map(|argv| argv.referenced);
            let said = step::Said { at, action: &action, arguments: &arguments, argv };
            for (at, key, words) in step::faults(actuator, &said) {
                self.fault(at, &key, words);
            }
            all.push(Step {
                action: action.value,
                arguments: arguments.into_iter().map(|(k, v)| (k.value, v.value)).collect(),
                argv: Vec::new(),
            });
        }
        all
    }

    fn envelope(&mut self, file: EnvelopeFile) -> SafetyEnvelope {
        let day = Duration::from_secs(86_400);
        let cooldown = self.length("envelope.cooldown", file.cooldown, Duration::from_secs(300), day);
        let mut at_least_one = |key: &str, found: Option<Spanned<u32>>, default: u32| {
            let Some(found) = found else { return default };
            if found.value == 0 {
                self.fault(found.referenced, key, "at least 1; to switch a playbook off, disable it");
            }
            found.value
        };
        let max_units = at_least_one("envelope.max_units", file.max_units, 1);
        let max_per_hour = at_least_one("envelope.max_per_hour", file.max_per_hour, 3);
        let max_share = match file.max_share {
            Some(share) if !(0.0..=1.0).contains(&share.value) => {
                self.fault(share.referenced, "envelope.max_share", "a share is 0 to 1");
                0.0
            }
            Some(share) => share.value,
            None => 0.1,
        };
        SafetyEnvelope {
            cooldown,
            max_units,
            max_share,
            max_per_hour,
            min_available: file.min_available.unwrap_or(0),
        }
    }

    fn condition(&mut self, key: &str, source: &Spanned<String>) -> Option<Condition> {
        match Condition::compile(&source.value) {
            Ok(condition) => Some(condition),
            Err(faults) => {
                let at = source.referenced;
                for fault in faults {
                    let (line, column) = place::within(self.text, at.line(), at.column(), fault.offset);
                    self.faults.push(Fault { line, column, key: key.to_owned(), message: fault.detail });
                }
                None
            }
        }
    }

    fn length(
        &mut self,
        key: &str,
        text: Option<Spanned<String>>,
        default: Duration,
        longest: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        match duration::parse(&text.value) {
            Ok(length) if length <= longest => length,
            Ok(_) => {
                self.fault(text.referenced, key, format!("at most {}", duration::format(longest)));
                default
            }
            Err(e) => {
                self.fault(text.referenced, key, e.to_string());
                default
            }
        }
    }

    fn word<T>(
        &mut self,
        key: &str,
        text: Option<Spanned<String>>,
        parse: impl Fn(&str) -> Option<T>,
        known: &[&str],
    ) -> Option<T> {
        let text = text?;
        let found = parse(&text.value);
        if found.is_none() {
            self.fault(text.referenced, key, format!("`{}` is not one of {}", text.value, known.join(", ")));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
    use super::*;

    const GOOD: &str = "\
name: restart-on-leak
description: Restart a service before its memory is used up.
selector:
  kind: service
when: exhausts_within('memory_utilization', 600)
hold_for: 20s
type: proactive
risk: low
actuator: process
steps:
  - action: restart
    arguments: { instance: 1 }
success:
  - stability.score >= 0.7
verify_within: 90s
envelope:
  cooldown: 10m
  max_per_hour: 2
autonomy: auto
";

    #[test]
    fn a_whole_playbook_is_read() {
        let parsed = read(GOOD).unwrap();
        assert_eq!(parsed.name, "restart-on-leak");
        assert_eq!(parsed.selector.kind, Some(ResourceKind::Service));
        assert_eq!(parsed.hold_for, Duration::from_secs(20));
        assert_eq!(parsed.kind, InterventionType::Proactive);
        assert_eq!(parsed.steps[0].arguments["instance"], "1");
        assert_eq!(parsed.envelope.cooldown, Duration::from_secs(600));
        assert_eq!((parsed.envelope.max_units, parsed.envelope.max_per_hour), (1, 2));
        assert_eq!(parsed.autonomy, Autonomy::Auto);
    }

    #[test]
    fn every_fault_has_its_line_and_column() {
        for (from, to, line, column, words) in [
            ("name: restart-on-leak", "name: Restart", 1, 7, "a-z"),
            ("kind: service", "kind: pod", 4, 9, "`pod`"),
            ("when: exhausts_within(", "when: exhausts_in(", 5, 7, "exhausts_in"),
            ("  - stability.score >= 0.7", "  - stability.scor >= 0.7", 14, 15, "`scor`"),
            ("hold_for: 20s", "hold_for: 20", 6, 11, "length of time"),
            ("type: proactive", "type: proactiv", 7, 7, "proactiv"),
            ("risk: low", "rysk: low", 8, 1, "rysk"),
            ("autonomy: auto", "autonomy: full", 19, 11, "`full`"),
            ("max_per_hour: 2", "max_per_hour: 0", 18, 17, "at least 1"),
            ("cooldown: 10m", "cooldown: 10m\n  max_share: 1.5", 18, 14, "0 to 1"),
            ("actuator: process", "actuator: ''", 9, 11, "is not one of process, command, webhook"),
            ("actuator: process\n", "", 1, 1, "missing field `actuator`"),
            ("  - stability.score >= 0.7", "  []", 14, 3, "at least one condition"),
            ("name: restart-on-leak", "name: a\nname: b", 2, 1, "uplicate"),
            ("risk: low", "risk: [low", 8, 7, ""),
            ("actuator: process", "actuator: nonsense", 9, 11, "`nonsense` is not one of process"),
            ("action: restart", "action: reboot", 11, 13, "has `restart` and `scale`, not `reboot`"),
            ("action: restart", "action: ''", 11, 13, "name the action"),
            ("- action: restart\n    arg", "- arg", 11, 5, "missing field `action`"),
            ("instance: 1", "banana: 1", 12, 18, "takes no argument `banana`"),
            ("instance: 1", "instance: -1", 12, 28, "not a whole number from 0"),
            ("instance: 1", "instance: one", 12, 28, "not a whole number from 0"),
            ("restart\n    arguments: { instance: 1 }", "scale", 11, 13, "either `by` or `to`"),
            (
                "restart\n    arguments: { instance: 1",
                "scale\n    arguments: { by: 1, to: 2",
                12,
                22,
                "either",
            ),
            ("restart\n    arguments: { instance: 1", "scale\n    arguments: { by: 0", 12, 22, "1 or -1"),
            ("restart\n    arguments: { instance: 1", "scale\n    arguments: { to: 0", 12, 22, "from 1"),
            (
                "restart\n    arguments: { instance: 1",
                "scale\n    arguments: { banana: 1",
                12,
                18,
                "`banana`",
            ),
            ("    arguments: {", "    argv: [rm]\n    arguments: {", 12, 11, "its own argument vector"),
            ("kind: service", "kind: service\n  bogus: 1", 5, 3, "no key `bogus`; there are kind, resource"),
            ("kind: service", "resource: 'no such'", 4, 13, "takes in no resource"),
            ("kind: service", "kind: host\n  resource: service:*", 5, 13, "takes in no resource"),
            ("max_per_hour", "max_hour", 18, 3, "no key `max_hour`"),
            ("  - action: restart", "  - action: restart\n    to: 1", 12, 5, "no key `to`"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let faults = read(&text).expect_err(&text);
            let found =
                faults.iter().any(|f| (f.line, f.column) == (line, column) && f.message.contains(words));
            assert!(found, "{to}: {faults:?}");
        }
    }

    #[test]
    fn all_faults_come_at_once_and_in_order() {
        let text = GOOD.replace("20s", "soon").replace("0.7", "high").replace("auto\n", "full\n");
        let lines: Vec<u32> = read(&text).unwrap_err().iter().map(|f| f.line).collect();
        assert_eq!(lines, [6, 14, 19]);
    }

    /// The playbook with these steps instead.
    fn with_steps(actuator: &str, step: &str) -> String {
        let steps = "steps:\n  - action: restart\n    arguments: { instance: 1 }\n";
        GOOD.replace("actuator: process", &format!("actuator: {actuator}"))
            .replace(steps, &format!("steps:\n  - {step}\n"))
    }

    #[test]
    fn each_actuator_takes_its_own_actions_and_arguments() {
        for (actuator, step, place) in [
            ("process", "action: restart", None),
            ("process", "{ action: scale, arguments: { by: -1 } }", None),
            ("process", "{ action: scale, arguments: { to: 3 } }", None),
            ("process", "{ action: run, arguments: { command: x } }", Some((11, 15))),
            ("command", "{ action: run, arguments: { command: clean, depth: 3 } }", None),
            ("command", "{ action: restart }", Some((11, 15))),
            ("command", "{ action: run }", Some((11, 5))),
            ("command", "{ action: run, arguments: { command: '' } }", Some((11, 42))),
            ("webhook", "{ action: mend, arguments: { webhook: ops, reversible: true } }", None),
            ("webhook", "{ action: mend, arguments: { url: 'https://hooks.example.org/x' } }", None),
            ("webhook", "{ action: mend }", Some((11, 15))),
            (
                "webhook",
                "{ action: mend, arguments: { webhook: ops, url: 'https://a.example' } }",
                Some((11, 43)),
            ),
            ("webhook", "{ action: mend, arguments: { url: 'http://hooks.example.org/x' } }", Some((11, 39))),
            ("webhook", "{ action: mend, arguments: { url: 'https://10.0.0.1/x' } }", Some((11, 39))),
        ] {
            let faults = read(&with_steps(actuator, step)).err().unwrap_or_default();
            let places: Vec<_> = faults.iter().map(|f| (f.line, f.column)).collect();
            assert_eq!(places, place.into_iter().collect::<Vec<_>>(), "{actuator} {step}: {faults:?}");
        }
    }

    #[test]
    fn keys_that_are_not_known_hide_no_other_fault() {
        let text = GOOD
            .replace("kind: service", "bogus: 1\n  kind: pod")
            .replace("risk: low", "rysk: low")
            .replace("actuator: process\n", "")
            .replace("instance: 1", "banana: 1")
            .replace("cooldown", "cool")
            .replace("0.7", "high");
        let faults = read(&text).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|f| (f.line, f.key.as_str())).collect();
        let expected = [
            (1, "actuator"),
            (4, "selector.bogus"),
            (5, "selector.kind"),
            (9, "rysk"),
            (14, "success"),
            (17, "envelope.cool"),
        ];
        assert_eq!(keys, expected, "{faults:?}");
        // Where the typed reader gives up, too.
        let text = text.replace("max_per_hour: 2", "max_per_hour: many");
        let lines: Vec<_> = read(&text).unwrap_err().iter().map(|f| f.line).collect();
        assert_eq!(lines, [4, 9, 17, 18]);
    }

    #[test]
    fn bombs_and_extra_documents_are_refused() {
        for text in [
            "a: &a [x,x]\nb: &b [*a,*a]\n".to_owned(),
            format!("{}{}", "[".repeat(200), "]".repeat(200)),
            "x".repeat(MAX_BYTES + 1),
            format!("{GOOD}---\n{GOOD}"),
            String::new(),
        ] {
            assert!(read(&text).is_err());
        }
    }

    #[test]
    fn the_schema_names_every_key() {
        let schema = schema();
        let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 13);
        assert!(schema["properties"]["when"]["description"].as_str().unwrap().contains("CEL"));
        assert_eq!(schema["additionalProperties"], serde_json::Value::Bool(false));
    }

    #[test]
    fn the_examples_of_the_guide_are_well_formed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/playbooks");
        let mut count = 0;
        for folder in [folder.to_owned(), format!("{folder}/demo")] {
            let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
            for path in files.filter(|p| p.is_file()) {
                let text = std::fs::read_to_string(&path).unwrap();
                let parsed = read(&text).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
                assert_eq!(path.file_stem().unwrap().to_str(), Some(parsed.name.as_str()));
                count += 1;
            }
        }
        assert!(count >= 5);
    }
}
