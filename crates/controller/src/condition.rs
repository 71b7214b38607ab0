//! Conditions: CEL expressions over an assessment, checked when they are written and three-valued when they are
//! asked.
//!
//! The words that a condition may use are the table in [`schema`]; a word outside it is a fault with its place, so
//! that `assesment.score` is refused on save and not silently unknown for ever. What an assessment does not know is
//! absent, and a condition that needs it is [`Truth::Unknown`], never true. `false && unknown` is false and
//! `true || unknown` is true, as CEL says.

mod check;
pub(crate) mod facts;
pub mod schema;

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};
use echobase_types::assessment::Assessment;
use echobase_types::intervention::Verification;

pub use facts::Facts;

/// Longest condition in bytes.
pub const MAX_BYTES: usize = 2_000;

/// One environment for all: it holds the standard functions and never changes.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// A fault in a condition, with its place within the expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFault {
    /// Characters before the fault, line breaks included.
    pub offset: usize,
    /// What is wrong, and what to write instead.
    pub detail: String,
}

/// What a condition says of one assessment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Something it needs is not known.
    Unknown(String),
}

impl Truth {
    /// As the result of a verification.
    pub const fn verdict(&self) -> Verification {
        match self {
            Self::True => Verification::Pass,
            Self::False => Verification::Fail,
            Self::Unknown(_) => Verification::Unknown,
        }
    }
}

/// A condition that was compiled and checked.
#[derive(Clone, Debug)]
pub struct Condition {
    source: String,
    program: Arc<Program>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Condition {
    /// Compiles a condition and checks every word, operator and type in it; then asks it of a sample assessment in
    /// which everything is known, so that what only fails when run fails here.
    pub fn compile(source: &str) -> Result<Self, Vec<ConditionFault>> {
        let at_start = |detail: String| vec![ConditionFault { offset: 0, detail }];
        if source.trim().is_empty() {
            return Err(at_start("the condition is empty".to_owned()));
        }
        if source.len() > MAX_BYTES {
            return Err(at_start(format!("the condition has more than {MAX_BYTES} bytes")));
        }
        let program = ENV.compile(source).map_err(|found| {
            let faults = found.errors.iter().map(|e| ConditionFault {
                offset: offset_of(source, e.pos),
                detail: format!("the condition does not parse: {}", e.msg),
            });
            faults.collect::<Vec<_>>()
        })?;
        let faults = check::check(&program);
        if !faults.is_empty() {
            return Err(faults);
        }
        let condition = Self { source: source.to_owned(), program: Arc::new(program) };
        match condition.run(&facts::sample().context()) {
            // An index beyond the sample is no fault: lists differ in length.
            Ok(Value::Bool(_)) | Err(cel::ExecutionError::IndexOutOfBounds(_)) => Ok(condition),
            Ok(other) => {
                Err(at_start(format!("the condition is a {}, it must be true or false", other.type_of())))
            }
            Err(e) => Err(at_start(format!("the condition cannot be evaluated: {e}"))),
        }
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Asks it of one assessment. To ask several conditions of the same assessment, use [`Facts`].
    pub fn ask(&self, assessment: &Assessment) -> Truth {
        self.ask_facts(&Facts::of(assessment))
    }

    /// Asks it of the facts of one assessment.
    pub fn ask_facts(&self, facts: &Facts) -> Truth {
        match self.run(&facts.context()) {
            Ok(Value::Bool(true)) => Truth::True,
            Ok(Value::Bool(false)) => Truth::False,
            Ok(other) => Truth::Unknown(format!("the condition is a {}", other.type_of())),
            Err(cel::ExecutionError::NoSuchKey(key)) => Truth::Unknown(format!("`{key}` is not known")),
            Err(cel::ExecutionError::IndexOutOfBounds(_)) => {
                Truth::Unknown("a list is shorter than its index".to_owned())
            }
            Err(other) => Truth::Unknown(other.to_string()),
        }
    }

    fn run(&self, context: &Context<'_, '_>) -> cel::ResolveResult {
        self.program.execute(context)
    }
}

/// All conditions must hold: fails if one fails, else unknown if one is unknown.
pub fn all_hold(conditions: &[Condition], assessment: &Assessment) -> (Verification, String) {
    let facts = Facts::of(assessment);
    let mut unknown = None;
    for condition in conditions {
        match condition.ask_facts(&facts) {
            Truth::True => {}
            Truth::False => return (Verification::Fail, format!("`{}` does not hold", condition.source)),
            Truth::Unknown(why) => unknown = Some(format!("`{}`: {why}", condition.source)),
        }
    }
    match unknown {
        Some(words) => (Verification::Unknown, words),
        None => (Verification::Pass, "all success criteria hold".to_owned()),
    }
}

/// The parser counts lines and columns from 1, columns in characters.
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let lines_before = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let before: usize = source.split('\n').take(lines_before).map(|l| l.chars().count() + 1).sum();
    before + usize::try_from(column.saturating_sub(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn a_condition_is_true_false_or_unknown() {
        let full = facts::sample_assessment();
        let bare = facts::bare_assessment();
        let unknown = Truth::Unknown(String::new());
        for (source, of_full, of_bare) in [
            ("stability.score < 0.5", Truth::True, Truth::True),
            ("stability.score < 1", Truth::True, Truth::True),
            ("stability.error < 0.9", Truth::True, unknown.clone()),
            ("vitals.cpu_utilization > 0.5", Truth::True, unknown.clone()),
            ("!(vitals.cpu_utilization > 0.5)", Truth::False, unknown.clone()),
            ("vitals.cpu_utilization > 0.5 && stability.score < 0.5", Truth::True, unknown.clone()),
            // What is decided by what is known stays decided.
            ("vitals.cpu_utilization > 0.5 && stability.score > 0.5", Truth::False, Truth::False),
            ("vitals.cpu_utilization > 0.5 || stability.score < 0.5", Truth::True, Truth::True),
            ("risk.probability > 0.5", Truth::True, unknown.clone()),
            ("risk.expected_in_s < 1000.0", Truth::True, unknown.clone()),
            ("has(risk.expected_in_s) && risk.expected_in_s < 1000.0", Truth::True, Truth::False),
            ("has_vital(\"memory_utilization\")", Truth::True, Truth::False),
            ("vital(\"memory_utilization\", 0.0) > 0.8", Truth::True, Truth::False),
            ("vital('memory_utilization', 0) > 0.8", Truth::True, Truth::False),
            ("exhausts_within('memory_utilization', 600)", Truth::True, Truth::False),
            ("exhausts_within('memory_utilization', 60)", Truth::False, Truth::False),
            ("anomalies.exists(a, a.severity == 'critical')", Truth::True, Truth::False),
            ("anomalies.filter(a, a.surprise > 1.0).size() >= 1", Truth::True, Truth::False),
            ("exhaustion[0].used_ratio > 0.5", Truth::True, unknown.clone()),
            ("size(drift) == 1", Truth::True, Truth::False),
            ("resource.kind == 'service' && resource.name.startsWith('shop/')", Truth::True, Truth::True),
            ("dependencies.exists(d, d.metric.contains('store'))", Truth::True, Truth::False),
            ("stability.score < 0.5 ? series > 1 : false", Truth::True, Truth::False),
        ] {
            let condition = Condition::compile(source).unwrap_or_else(|e| panic!("{source}: {e:?}"));
            for (assessment, expected) in [(&full, of_full), (&bare, of_bare)] {
                let found = condition.ask(assessment);
                assert_eq!(found.verdict(), expected.verdict(), "{source}: {found:?}");
            }
        }
    }

    #[test]
    fn an_unknown_says_what_is_not_known() {
        let condition = Condition::compile("vitals.disk_utilization > 0.5").unwrap();
        let said = condition.ask(&facts::bare_assessment());
        assert_eq!(said, Truth::Unknown("`disk_utilization` is not known".to_owned()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (source, offset, words) in [
            ("assesment.score < 0.5", 0, "assesment"),
            ("stability.scor < 0.5", 10, "`scor`"),
            ("true && vitals.cpu > 0.5", 15, "`cpu`"),
            ("stability.score <", 17, "does not parse"),
            ("stability.score", 0, "must be true or false"),
            ("stability.score < 'low'", 16, "`<`"),
            ("stability.score && true", 16, "`&&`"),
            ("risk.probability * 100 > 50", 17, "`*`"),
            ("has_vital('memory')", 10, "memory"),
            ("has_vital(1)", 10, "text"),
            ("exhausts_within('memory_utilization')", 0, "takes 2"),
            ("anomalies.exists(a, a.sevrity == 'critical')", 22, "`sevrity`"),
            ("anomalies.exists(a, a.severity == 'critcal')", 34, "critcal"),
            ("resource.kind == 'pod'", 17, "pod"),
            ("shell('rm')", 0, "`shell`"),
            ("stability.score < 0.5 || foo", 25, "foo"),
            ("resource.name.matches('[')", 0, "cannot be evaluated"),
            ("", 0, "empty"),
            ("{'a': 1}.a == 1", 0, "map"),
        ] {
            let faults = Condition::compile(source).expect_err(source);
            let found = faults.iter().any(|f| f.offset == offset && f.detail.contains(words));
            assert!(found, "{source}: {faults:?}");
        }
        assert!(Condition::compile(&"true && ".repeat(400)).is_err());
    }

    #[test]
    fn all_faults_come_at_once() {
        let faults = Condition::compile("vitals.a > 1 && vitals.b > 1").unwrap_err();
        assert_eq!(faults.len(), 2);
    }

    #[test]
    fn failed_outweighs_unknown_outweighs_held() {
        let bare = facts::bare_assessment();
        let of = |sources: &[&str]| {
            let all: Vec<_> = sources.iter().map(|s| Condition::compile(s).unwrap()).collect();
            all_hold(&all, &bare).0
        };
        assert_eq!(of(&["stability.score < 0.5"]), Verification::Pass);
        assert_eq!(of(&["stability.score < 0.5", "vitals.up == 1.0"]), Verification::Unknown);
        assert_eq!(of(&["vitals.up == 1.0", "stability.score > 0.5"]), Verification::Fail);
        assert_eq!(of(&[]), Verification::Pass);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_compiler_panic(text in "[a-z0-9 .<>=!&|()'\\[\\]{}?:,+*/%\"\\\\é-]{0,40}") {
            let _ = Condition::compile(&text);
        }
    }
}
