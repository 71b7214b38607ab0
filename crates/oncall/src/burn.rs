//! The alerts of service level objectives: `slo.page` and `slo.ticket`. Pure: what the verdict on an objective means
//! for people, and in which words they are told.

use std::time::Duration;

use echobase_types::assessment::Severity;
use echobase_types::slo::{Slo, SloVerdict, Urgency};
use echobase_types::{ResourceId, SloId};

use crate::rule::Level;

/// Both alerts that an objective may have.
pub const URGENCIES: [Urgency; 2] = [Urgency::Page, Urgency::Ticket];

/// The name in alerts.
pub const fn rule(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Page => "slo.page",
        Urgency::Ticket => "slo.ticket",
    }
}

/// The key of an objective's alert: same key, same alert.
pub fn dedup_key(urgency: Urgency, slo: SloId) -> String {
    format!("{}/{slo}", rule(urgency))
}

/// The urgency of a rule of that name.
pub fn parse(rule_name: &str) -> Option<Urgency> {
    URGENCIES.into_iter().find(|urgency| rule(*urgency) == rule_name)
}

/// What an objective says of one of its alerts. A pair of windows whose short one has seen nothing is neither calm nor
/// burning; and while there is a page, no ticket is opened beside it.
pub fn level(urgency: Urgency, slo: &Slo, verdict: &SloVerdict) -> Level {
    let of = |urgency: Urgency| verdict.readings.iter().filter(move |r| r.urgency == urgency);
    let Some(reading) = of(urgency).find(|r| r.is_firing) else {
        let is_silent = of(urgency).any(|r| r.long >= r.rate && r.short.is_none());
        return if is_silent { Level::Unknown } else { Level::Well };
    };
    if urgency == Urgency::Ticket && of(Urgency::Page).any(|r| r.is_firing) {
        return Level::Between;
    }
    let severity = match urgency {
        Urgency::Page => Severity::Critical,
        Urgency::Ticket => Severity::Warning,
    };
    let gone = slo.window.div_f64(reading.long.max(f64::MIN_POSITIVE));
    let summary = format!(
        "{} burns {} times too fast: a budget of {} is gone in {}",
        slo.name,
        number(reading.long),
        length(slo.window),
        length(gone)
    );
    let short = reading.short.map_or_else(|| "nothing".to_owned(), |short| format!("{}×", number(short)));
    let detail = format!(
        "{}× over {}, {short} over {} (told from {}× on); {}",
        number(reading.long),
        length(reading.long_window),
        length(reading.short_window),
        number(reading.rate),
        budget(verdict)
    );
    Level::Bad { severity, summary, detail }
}

/// How an objective stands, in one sentence.
pub fn in_words(slo: &Slo, verdict: &SloVerdict) -> String {
    let Some(attained) = verdict.attained() else {
        return format!("nothing was counted in the last {}", length(slo.window));
    };
    let unit = slo.sli.unit();
    let good = format!("{} of {unit} were good in {}", percent(attained), length(slo.window));
    match verdict.firing() {
        Some(r) => {
            format!(
                "burns {} times too fast over {}; {}",
                number(r.long),
                length(r.long_window),
                budget(verdict)
            )
        }
        None => format!("{good}; {}", budget(verdict)),
    }
}

/// What is left, and for how long.
fn budget(verdict: &SloVerdict) -> String {
    let left = if verdict.left <= 0.0 {
        format!("the budget is used up, {} of it overspent", percent(-verdict.left))
    } else {
        format!("{} of the budget is left", percent(verdict.left))
    };
    let Some(forecast) = verdict.forecast.filter(|_| verdict.left > 0.0) else { return left };
    let range = match (forecast.gone_in_soonest, forecast.gone_in_latest) {
        (Some(soonest), Some(latest)) if soonest != latest => {
            format!(" (between {} and {})", length(soonest), length(latest))
        }
        (Some(soonest), None) if forecast.gone_in != Some(soonest) => {
            format!(" ({} at the earliest)", length(soonest))
        }
        _ => String::new(),
    };
    match forecast.gone_in {
        Some(gone) => format!("{left}, at this rate for {}{range}", length(gone)),
        None if range.is_empty() => left,
        None => format!("{left}, at this rate for good{range}"),
    }
}

/// The one resource that an objective is about, if it is about one.
pub fn resource(slo: &Slo) -> Option<ResourceId> {
    slo.selector.resource.as_deref().filter(|id| !id.contains('*')).and_then(|id| ResourceId::new(id).ok())
}

/// A length of time with two significant digits, in its largest unit.
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 172_800.0 => (s / 86_400.0, "days"),
        s if s >= 3_600.0 => (s / 3_600.0, "h"),
        s if s >= 60.0 => (s / 60.0, "min"),
        s => (s, "s"),
    };
    format!("{} {unit}", number(value))
}

fn number(value: f64) -> String {
    let text = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Cut, not rounded: 99.996 % is not 100 %.
fn percent(share: f64) -> String {
    let cut = (share * 100_000.0 + 1e-6).floor() / 1_000.0;
    format!("{cut} %")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
    use echobase_types::Timestamp;
    use echobase_types::playbook::Selector;
    use echobase_types::slo::{BudgetForecast, BurnReading, Sli};

    use super::*;

    const DAY: u64 = 86_400;

    fn slo() -> Slo {
        Slo {
            id: "00000000-0000-7000-8000-000000000001".parse::<SloId>().unwrap(),
            version: 1,
            name: "checkout answers".into(),
            description: String::new(),
            selector: Selector { kind: None, resource: Some("service:checkout".into()) },
            sli: Sli::Requests,
            target: 0.995,
            window: Duration::from_secs(30 * DAY),
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        }
    }

    fn reading(urgency: Urgency, rate: f64, long: f64, short: Option<f64>) -> BurnReading {
        BurnReading {
            rate,
            long_window: Duration::from_secs(3_600),
            short_window: Duration::from_secs(300),
            urgency,
            long,
            short,
            is_firing: long >= rate && short.is_some_and(|s| s >= rate),
        }
    }

    fn verdict(page: (f64, Option<f64>), ticket: (f64, Option<f64>)) -> SloVerdict {
        SloVerdict {
            at: Timestamp::EPOCH,
            good: 900.0,
            bad: 3.0,
            covered: 1.0,
            resources: 1,
            last_data_at: None,
            readings: vec![
                reading(Urgency::Page, 14.4, page.0, page.1),
                reading(Urgency::Ticket, 1.0, ticket.0, ticket.1),
            ],
            left: 0.7125,
            forecast: Some(BudgetForecast {
                rate: 14.4,
                rates: (1.0, 20.0),
                gone_in: Some(Duration::from_secs(36 * 3_600)),
                gone_in_soonest: Some(Duration::from_secs(24 * 3_600)),
                gone_in_latest: Some(Duration::from_secs(3 * DAY)),
                left_at_end: -13.4,
                left_at_end_range: (-19.0, 0.0),
            }),
            history: Vec::new(),
            recent: Vec::new(),
        }
    }

    #[test]
    fn a_page_says_how_fast_and_for_how_long() {
        let fast = verdict((14.4, Some(16.0)), (2.0, Some(16.0)));
        let Level::Bad { severity, summary, detail } = level(Urgency::Page, &slo(), &fast) else { panic!() };
        assert_eq!(severity, Severity::Critical);
        assert_eq!(
            summary,
            "checkout answers burns 14.4 times too fast: a budget of 30 days is gone in 2.1 days"
        );
        assert_eq!(
            detail,
            "14.4× over 1 h, 16× over 5 min (told from 14.4× on); 71.25 % of the budget is left, at this rate for \
             36 h (between 24 h and 3 days)"
        );
        assert_eq!(level(Urgency::Ticket, &slo(), &fast), Level::Between, "no ticket beside a page");
    }

    #[test]
    fn calm_silence_and_tickets_are_told_apart() {
        for (page, ticket, expected) in [
            ((20.0, Some(1.0)), (0.5, Some(0.5)), ("well", "well")),
            ((20.0, None), (2.0, None), ("unknown", "unknown")),
            ((2.0, Some(2.0)), (2.0, Some(2.0)), ("well", "warning")),
        ] {
            let verdict = verdict(page, ticket);
            let word = |urgency| match level(urgency, &slo(), &verdict) {
                Level::Bad { severity, .. } => severity.as_str(),
                Level::Between => "between",
                Level::Well => "well",
                Level::Unknown => "unknown",
            };
            assert_eq!((word(Urgency::Page), word(Urgency::Ticket)), expected);
        }
    }

    #[test]
    fn words_of_a_calm_an_empty_and_a_spent_objective() {
        let calm = SloVerdict { forecast: None, ..verdict((0.0, Some(0.0)), (0.0, Some(0.0))) };
        assert_eq!(
            in_words(&slo(), &calm),
            "99.667 % of requests were good in 30 days; 71.25 % of the budget is left"
        );
        let empty = SloVerdict { good: 0.0, bad: 0.0, ..calm.clone() };
        assert_eq!(in_words(&slo(), &empty), "nothing was counted in the last 30 days");
        let spent = SloVerdict { left: -0.5, ..calm };
        assert!(in_words(&slo(), &spent).ends_with("the budget is used up, 50 % of it overspent"));
        assert_eq!(percent(0.999_999), "99.999 %");
    }

    #[test]
    fn an_objective_of_one_resource_is_about_it() {
        assert_eq!(resource(&slo()).map(|r| r.to_string()).as_deref(), Some("service:checkout"));
        let many = Slo { selector: Selector { kind: None, resource: Some("service:*".into()) }, ..slo() };
        assert_eq!(resource(&many), None);
        assert_eq!(parse("slo.ticket"), Some(Urgency::Ticket));
        assert_eq!(parse("stability.low"), None);
    }
}
