//! What is run for which set: a scorer with a command of the built program.

use std::path::Path;

/// A group of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Set {
    /// Detection on NAB: 58 single series.
    Nab,
    /// Detection on ASD: 12 servers of 19 metrics.
    Asd,
    /// False alerts against the budget, at four budgets, on NAB and ASD.
    Budgets,
    /// Collapse within 60 rows, on the generated fault families.
    Collapse,
    /// Turbofan engines within 30 cycles of their end.
    Turbofan,
    /// The ten properties of the stability score.
    Stability,
    /// Drift in generated noise, and change points of real series.
    Drift,
    /// Forecasts of M4 hourly and weekly, and of the metrics of ASD.
    Forecast,
    /// Root causes on ASD and PetShop.
    Causes,
    /// Time and memory; needs no scorer.
    Cost,
}

impl Set {
    /// All, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Nab,
        Self::Asd,
        Self::Budgets,
        Self::Collapse,
        Self::Turbofan,
        Self::Stability,
        Self::Drift,
        Self::Forecast,
        Self::Causes,
        Self::Cost,
    ];

    /// What must have run for its figures.
    pub fn jobs(self) -> &'static [Job] {
        match self {
            Self::Nab => &[NAB, NAB_HALF],
            Self::Asd => &[ASD],
            Self::Budgets => &[NAB_HALF, NAB, NAB_SEVEN, NAB_TWENTY, ASD_HALF, ASD, ASD_SEVEN, ASD_TWENTY],
            Self::Collapse => &[COLLAPSE],
            Self::Turbofan => &[TURBOFAN],
            Self::Stability => &[STABILITY],
            Self::Drift => &[DRIFT],
            Self::Forecast => &[FORECAST],
            Self::Causes => &[CAUSES],
            Self::Cost => &[],
        }
    }
}

/// A run of a scorer.
#[derive(Debug, PartialEq, Eq)]
pub struct Job {
    /// Under which its answer is kept.
    pub name: &'static str,
    script: &'static str,
    /// The scorer's option that takes the command.
    option: &'static str,
    /// The command without the program.
    command: &'static str,
    arguments: &'static [&'static str],
}

const fn detect(name: &'static str, set: &'static [&'static str], command: &'static str) -> Job {
    Job { name, script: "score.py", option: "--detector", command, arguments: set }
}

const fn foresee(name: &'static str, command: &'static str, set: &'static [&'static str]) -> Job {
    Job { name, script: "collapse.py", option: "--predictor", command, arguments: set }
}

const ON_NAB: &[&str] = &["--set", "nab"];
const ON_ASD: &[&str] = &["--set", "asd"];
const BY_DEFAULT: &str = "detect {in} {out}";
const AT_HALF: &str = "detect {in} {out} --budget 0.5";
const AT_SEVEN: &str = "detect {in} {out} --budget 7";
const AT_TWENTY: &str = "detect {in} {out} --budget 20";

/// At the default budget of 2.
pub const NAB: Job = detect("nab-2", ON_NAB, BY_DEFAULT);
pub const NAB_HALF: Job = detect("nab-0.5", ON_NAB, AT_HALF);
pub const NAB_SEVEN: Job = detect("nab-7", ON_NAB, AT_SEVEN);
pub const NAB_TWENTY: Job = detect("nab-20", ON_NAB, AT_TWENTY);
/// At the default budget of 2.
pub const ASD: Job = detect("asd-2", ON_ASD, BY_DEFAULT);
pub const ASD_HALF: Job = detect("asd-0.5", ON_ASD, AT_HALF);
pub const ASD_SEVEN: Job = detect("asd-7", ON_ASD, AT_SEVEN);
pub const ASD_TWENTY: Job = detect("asd-20", ON_ASD, AT_TWENTY);
pub const COLLAPSE: Job = foresee("collapse", "risk {in} {out} --horizon 60", &["--set", "open"]);
pub const TURBOFAN: Job = foresee("turbofan", "risk {in} {out} --horizon 30", &["--set", "cmapss_open"]);
pub const STABILITY: Job = Job {
    name: "stability",
    script: "stability.py",
    option: "--predictor",
    command: "risk {in} {out}",
    arguments: &[],
};
pub const DRIFT: Job = Job {
    name: "drift",
    script: "drift.py",
    option: "--detector",
    command: "drift {in} {out}",
    arguments: &[],
};
pub const FORECAST: Job = Job {
    name: "forecasts",
    script: "forecast.py",
    option: "--forecaster",
    command: "forecast {in} {out} --horizon {h} --season {season}",
    arguments: &["--set", "open"],
};
pub const CAUSES: Job = Job {
    name: "causes",
    script: "rca.py",
    option: "--ranker",
    command: "causes {in} {out}",
    arguments: &["--set", "open"],
};

impl Job {
    /// The arguments of Python, with the answer as JSON in `answer`.
    pub fn arguments(&self, scorers: &Path, program: &Path, answer: &Path) -> Vec<String> {
        // The scorer hands the command to a shell.
        let program = format!("'{}'", program.display().to_string().replace('\'', r"'\''"));
        let mut arguments = vec![
            scorers.join(self.script).display().to_string(),
            self.option.to_owned(),
            format!("{program} {}", self.command),
        ];
        arguments.extend(self.arguments.iter().map(|&a| a.to_owned()));
        arguments.extend(["--json".to_owned(), answer.display().to_string()]);
        arguments
    }

    /// The file of its scorer.
    pub fn script(&self) -> &'static str {
        self.script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_survives_the_shell() {
        let all = NAB_HALF.arguments(Path::new("/s"), Path::new("/it's/echobase"), Path::new("/a.json"));
        let wanted = [
            "/s/score.py",
            "--detector",
            r"'/it'\''s/echobase' detect {in} {out} --budget 0.5",
            "--set",
            "nab",
            "--json",
            "/a.json",
        ];
        assert_eq!(all, wanted);
    }

    #[test]
    fn jobs_of_one_name_are_one_job() {
        let jobs = || Set::ALL.iter().flat_map(|set| set.jobs());
        for one in jobs() {
            assert!(jobs().filter(|other| other.name == one.name).all(|other| other == one), "{}", one.name);
        }
    }
}
