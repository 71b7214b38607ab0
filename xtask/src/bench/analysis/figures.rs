//! From what the scorers answered to the lines of the table. Baselines and reaches are those of the issue that asked for
//! the analysis engine; reaches stand here once, for the table and for the verdict.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::job::{self, Job, Set};
use super::table::{Line, Part, Reach};
use Reach::{AtLeast, AtMost, Unset, Within};

/// What each job answered: a JSON object, or a list of them.
pub type Answers = BTreeMap<&'static str, Value>;

/// The benchmarks of the crate that answer in JSON, as the answers are called too.
pub const BENCHES: [&str; 2] = [CYCLE, AHEAD];
const CYCLE: &str = "cycle";
const AHEAD: &str = "forecast";

/// The lines of a set. An answer that lacks a figure is an error that names both.
pub fn lines(set: Set, answers: &Answers) -> Result<Vec<Line>> {
    match set {
        Set::Nab => nab(answers),
        Set::Asd => asd(answers),
        Set::Budgets => budgets(answers),
        Set::Collapse => collapse(answers),
        Set::Turbofan => turbofan(answers),
        Set::Stability => stability(answers),
        Set::Drift => drift(answers),
        Set::Forecast => forecast(answers),
        Set::Causes => causes(answers),
        Set::Cost => cost(answers),
    }
}

/// One JSON object of an answer.
struct Entry<'a> {
    job: &'a str,
    object: &'a Value,
}

impl<'a> Entry<'a> {
    /// The object whose `key` is `wanted`.
    fn find(answers: &'a Answers, job: &'a Job, key: &str, wanted: &str) -> Result<Self> {
        let list = answers.get(job.name).and_then(Value::as_array);
        let object = list.into_iter().flatten().find(|o| o.get(key).and_then(Value::as_str) == Some(wanted));
        let object =
            object.with_context(|| format!("the answer of `{}` has no {key} `{wanted}`", job.name))?;
        Ok(Self { job: job.name, object })
    }

    /// The only object.
    fn only(answers: &'a Answers, job: &'a str) -> Result<Self> {
        let object = answers.get(job).with_context(|| format!("`{job}` did not run"))?;
        Ok(Self { job, object })
    }

    fn number(&self, name: &str) -> Result<f64> {
        let value = self.object.get(name).and_then(Value::as_f64);
        value.with_context(|| format!("the answer of `{}` has no number `{name}`", self.job))
    }

    fn part(&self, name: &str, digits: usize, reach: Reach) -> Result<Part> {
        Ok(Part { value: self.number(name)?, digits, reach })
    }

    /// A share, told in percent.
    fn percent(&self, name: &str, digits: usize, reach: Reach) -> Result<Part> {
        Ok(Part { value: 100.0 * self.number(name)?, digits, reach })
    }

    fn parts(&self, names: &[&str], digits: usize, reach: Reach) -> Result<Vec<Part>> {
        names.iter().map(|name| self.part(name, digits, reach)).collect()
    }
}

const FALSE_ALERTS: &str = "false_alerts_per_series_week";

fn nab(answers: &Answers) -> Result<Vec<Line>> {
    let usual = Entry::find(answers, &job::NAB, "set", "nab")?;
    let half = Entry::find(answers, &job::NAB_HALF, "set", "nab")?;
    Ok(vec![
        Line::new(
            "NAB standard, its own threshold sweep",
            "random 9.4, Netdata-like 29.6, EWMA 37.5, Gaussian 40.1, prototype 53.0; leaders 70–75",
            &[usual.part("nab_standard", 1, AtLeast(70.0))?],
        ),
        Line::new(
            "NAB standard, thresholds fixed beforehand",
            "Gaussian −6, Netdata-like 21.5, EWMA 32.0, prototype 45.3",
            &[usual.part("nab_fixed_standard", 1, AtLeast(57.0))?],
        ),
        Line::new(
            "NAB at budget 0.5: event F1 · false alerts a series and week",
            "CAD OSE 0.68 · 0.24, HTM 0.65 · 0.55, KNN CAD 0.37 · 1.16 (fitted to NAB)",
            &[half.part("ev_f1", 3, AtLeast(0.60))?, half.part(FALSE_ALERTS, 2, AtMost(0.5))?],
        ),
    ])
}

fn asd(answers: &Answers) -> Result<Vec<Line>> {
    let asd = Entry::find(answers, &job::ASD, "set", "asd")?;
    Ok(vec![
        Line::new(
            "ASD: event F1 · false alerts a server and week",
            "PromQL 3σ 0.578 · 2.1, PCA 0.532, Netdata-like 0.371, prototype 0.582",
            &[asd.part("ev_f1", 3, AtLeast(0.70))?, asd.part(FALSE_ALERTS, 2, AtMost(1.3))?],
        ),
        Line::new("ASD: VUS-PR", "prototype 0.532", &[asd.part("vus_pr", 3, AtLeast(0.62))?]),
    ])
}

fn budgets(answers: &Answers) -> Result<Vec<Line>> {
    let realised = |set: &str, jobs: [(&Job, f64); 4]| -> Result<Vec<Part>> {
        let one = |(job, budget): (&Job, f64)| -> Result<Part> {
            let rate = Entry::find(answers, job, "set", set)?.number(FALSE_ALERTS)?;
            Ok(Part { value: rate / budget, digits: 2, reach: Within(0.3, 1.0) })
        };
        jobs.into_iter().map(one).collect()
    };
    let nab = [(&job::NAB_HALF, 0.5), (&job::NAB, 2.0), (&job::NAB_SEVEN, 7.0), (&job::NAB_TWENTY, 20.0)];
    let asd = [(&job::ASD_HALF, 0.5), (&job::ASD, 2.0), (&job::ASD_SEVEN, 7.0), (&job::ASD_TWENTY, 20.0)];
    Ok(vec![
        Line::new(
            "NAB: realised of budget 0.5 · 2 · 7 · 20",
            "prototype 0.14–0.5; no peer has the setting",
            &realised("nab", nab)?,
        ),
        Line::new(
            "ASD: realised of budget 0.5 · 2 · 7 · 20",
            "prototype 0.6; no peer has the setting",
            &realised("asd", asd)?,
        ),
    ])
}

fn collapse(answers: &Answers) -> Result<Vec<Line>> {
    let all = Entry::find(answers, &job::COLLAPSE, "group", "all")?;
    Ok(vec![
        Line::new(
            "collapse within 60 rows: balanced accuracy · FPR %",
            "thresholds 0.772 · 1.1, distance 0.856 · 18.6, GBM 0.894 · 1.8, logistic 0.911 · 7.2",
            &[all.part("balanced_acc", 3, AtLeast(0.93))?, all.percent("fpr", 2, AtMost(2.0))?],
        ),
        Line::new("collapse: calibration error (ECE)", "", &[all.part("ece", 3, AtMost(0.02))?]),
        Line::new(
            "collapse: warned of failing runs % · healthy runs without any alarm % · median lead, rows",
            "",
            &[
                Part {
                    value: 100.0 * all.number("warned")? / all.number("failing")?,
                    digits: 0,
                    reach: Unset,
                },
                Part {
                    value: 100.0 * all.number("quiet")? / all.number("healthy")?,
                    digits: 0,
                    reach: Unset,
                },
                all.part("lead_median", 0, Unset)?,
            ],
        ),
    ])
}

fn turbofan(answers: &Answers) -> Result<Vec<Line>> {
    let all = Entry::find(answers, &job::TURBOFAN, "group", "all")?;
    Ok(vec![Line::new(
        "turbofan within 30 cycles: balanced accuracy · FPR %",
        "thresholds 0.906 · 17",
        &[all.part("balanced_acc", 3, AtLeast(0.94))?, all.percent("fpr", 2, AtMost(4.0))?],
    )])
}

fn stability(answers: &Answers) -> Result<Vec<Line>> {
    const WHOLLY: [&str; 8] =
        ["bounded", "monotone", "reacts", "continuous", "recovers", "good_news", "unit_free", "order_free"];
    let all = Entry::only(answers, job::STABILITY.name)?;
    Ok(vec![
        Line::new(
            "score: bounded · monotone · reacts · continuous · recovers · good news · free of units · of order",
            "distance 6 of 8, thresholds 7 of 8",
            &all.parts(&WHOLLY, 2, AtLeast(1.0))?,
        ),
        Line::new(
            "score: quiet runs above 0.9 in 95 % of rows",
            "distance fails",
            &[all.part("quiet", 2, AtLeast(0.95))?],
        ),
        Line::new("score: low before collapse", "", &[all.part("pre_collapse", 3, AtLeast(0.80))?]),
    ])
}

fn drift(answers: &Answers) -> Result<Vec<Line>> {
    let all = Entry::only(answers, job::DRIFT.name)?;
    Ok(vec![
        Line::new(
            "false drifts per 10,000 rows: white · autocorrelated · heavy-tailed · seasonal",
            "ADWIN 0.3 · 18 · 0.3 · 104, Page–Hinkley 6 · 32 · 4 · 136, CUSUM 2 · 61 · 9 · 69",
            &all.parts(&["fa10k_white", "fa10k_ar", "fa10k_heavy", "fa10k_season"], 2, AtMost(2.0))?,
        ),
        Line::new(
            "drift of 2 σ found within 200 rows: white · autocorrelated · heavy-tailed",
            "",
            &all.parts(&["hit_white_mean2", "hit_ar_mean2", "hit_heavy_mean2"], 2, AtLeast(0.98))?,
        ),
        Line::new(
            "its median delay, rows: white · autocorrelated · heavy-tailed",
            "2–31",
            &all.parts(&["delay_white_mean2", "delay_ar_mean2", "delay_heavy_mean2"], 0, AtMost(12.0))?,
        ),
        Line::new("variance × 3 found", "", &[all.part("hit_white_var3", 2, AtLeast(0.95))?]),
        Line::new(
            "change points, TCPD: F1 · covering",
            "silence 0.66 · 0.57",
            &[all.part("tcpd_f1", 3, AtLeast(0.70))?, all.part("tcpd_cover", 3, AtLeast(0.62))?],
        ),
    ])
}

fn forecast(answers: &Answers) -> Result<Vec<Line>> {
    let line = |file, figure, baselines, owa, cover| -> Result<Line> {
        let one = Entry::find(answers, &job::FORECAST, "file", file)?;
        Ok(Line::new(figure, baselines, &[one.part("owa", 3, owa)?, one.part("cover95", 3, cover)?]))
    };
    let cover = Within(0.92, 0.97);
    Ok(vec![
        line(
            "m4_hourly",
            "M4 hourly: OWA · 95 % coverage",
            "seasonal naive 0.637, prototype 0.520 · 0.91, winner 0.440; AutoETS and kin 0.69 up",
            AtMost(0.47),
            cover,
        )?,
        line(
            "m4_weekly",
            "M4 weekly: OWA · 95 % coverage",
            "seasonal naive 1.0, prototype 0.839 · 0.81, AutoETS and kin 0.85–0.92, winner 0.851",
            AtMost(0.80),
            cover,
        )?,
        line("ops_asd", "metrics of ASD, 4 h ahead: OWA · 95 % coverage", "", Unset, Unset)?,
    ])
}

fn causes(answers: &Answers) -> Result<Vec<Line>> {
    let line = |group, figure, baselines, first, three| -> Result<Line> {
        let one = Entry::find(answers, &job::CAUSES, "group", group)?;
        Ok(Line::new(figure, baselines, &[one.part("top1", 3, first)?, one.part("top3", 3, three)?]))
    };
    Ok(vec![
        line(
            "causes-asd",
            "causing metrics of ASD: first right · among the first three",
            "best baseline 0.79 · 0.94",
            AtLeast(0.85),
            AtLeast(0.96),
        )?,
        line(
            "petshop",
            "causes of PetShop: first right · among the first three",
            "best baseline 0.19 · 0.38",
            AtLeast(0.40),
            AtLeast(0.60),
        )?,
    ])
}

fn cost(answers: &Answers) -> Result<Vec<Line>> {
    let cycle = Entry::only(answers, CYCLE)?;
    let ahead = Entry::only(answers, AHEAD)?;
    let ahead = Entry { job: AHEAD, object: ahead.object.get("ms_per_series").unwrap_or(ahead.object) };
    let (observe, assess) = (cycle.number("observe_us_per_value")?, cycle.number("assess_ms")?);
    let bytes = cycle.number("bytes_per_series")?;
    let series = cycle.number("resources")? * cycle.number("series_per_resource")?;
    // Seconds of one core for a million metrics in a cycle of ten, in percent.
    let core = (observe * 1e6 / 1e6 + assess / 1e3 * 1e6 / series) / 10.0 * 100.0;
    let line = |figure, baselines, value, digits, most| {
        Line::new(figure, baselines, &[Part { value, digits, reach: AtMost(most) }])
    };
    Ok(vec![
        line("µs a value", "prototype 0.28, Netdata 2–4 (claimed), RCF 73", observe, 2, 0.5),
        line("bytes a metric", "prototype 1,200, Netdata 18,000 (claimed)", bytes, 0, 4096.0),
        line("1,000 resources × 20 series assessed, ms", "", assess, 1, 100.0),
        line("1 M metrics every 10 s, % of one core", "", core, 0, 100.0),
        line("100,000 series, MB", "", bytes * 1e5 / 1e6, 0, 600.0),
        Line::new(
            "forecast, ms a series: hours · weeks · 5-minute telemetry",
            "",
            &ahead.parts(
                &["hours with days and weeks", "weeks with years", "5-minute telemetry"],
                1,
                AtMost(10.0),
            )?,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_that_is_not_there_is_named() {
        let mut answers = Answers::from([("asd-2", json!([{"set": "asd", "ev_f1": 0.7}]))]);
        let error = format!("{:#}", lines(Set::Asd, &answers).unwrap_err());
        assert_eq!(error, "the answer of `asd-2` has no number `false_alerts_per_series_week`");
        answers.insert("asd-2", json!([]));
        let error = format!("{:#}", lines(Set::Asd, &answers).unwrap_err());
        assert_eq!(error, "the answer of `asd-2` has no set `asd`");
    }

    #[test]
    fn budgets_are_shares_of_what_was_allowed() {
        let of = |set: &str, rate: f64| json!([{"set": set, "false_alerts_per_series_week": rate}]);
        let answers = Answers::from([
            ("nab-0.5", of("nab", 0.25)),
            ("nab-2", of("nab", 2.0)),
            ("nab-7", of("nab", 7.0)),
            ("nab-20", of("nab", 10.0)),
            ("asd-0.5", of("asd", 0.1)),
            ("asd-2", of("asd", 1.0)),
            ("asd-7", of("asd", 7.0)),
            ("asd-20", of("asd", 10.0)),
        ]);
        let lines = serde_json::to_value(lines(Set::Budgets, &answers).unwrap()).unwrap();
        assert_eq!(lines[0]["now"], "0.50 · 1.00 · 1.00 · 0.50");
        assert_eq!((&lines[0]["met"], &lines[1]["met"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn a_million_metrics_cost_what_their_values_and_their_assessment_cost() {
        let cycle = json!({"resources": 1_000, "series_per_resource": 20, "assess_ms": 50.0,
            "observe_us_per_value": 0.5, "bytes_per_series": 4_000});
        let ahead = json!({"ms_per_series": {"hours with days and weeks": 3.0, "weeks with years": 2.0,
            "5-minute telemetry": 9.0}});
        let lines =
            serde_json::to_value(lines(Set::Cost, &Answers::from([(CYCLE, cycle), (AHEAD, ahead)])).unwrap())
                .unwrap();
        assert_eq!(lines[3]["values"], json!([30.0]));
        assert_eq!(lines[4]["values"], json!([400.0]));
    }
}
