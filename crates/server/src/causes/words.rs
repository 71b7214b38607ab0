//! The order of causes as the API tells it, each with the rows that it was judged by.

use echobase_analysis::causes::{Cause, Change, Gathered, Ranking, Symptom, Verdict};
use echobase_api::causes::{self as api, CauseEvidence, Causes, LookedAt};
use echobase_types::change::ChangeEvent;
use echobase_types::{ResourceId, Timestamp};

use super::window::Window;

/// Causes that are told.
const TOLD: usize = 10;
/// Rows of normal that are shown before an incident.
const NORMAL_SHOWN: usize = 120;

/// What a search is about.
pub(super) struct Told {
    /// Where the trouble was noticed.
    pub resource: ResourceId,
    /// All that was looked at.
    pub nodes: Vec<ResourceId>,
    /// When.
    pub window: Window,
    /// Changes of the resources shortly before or during the incident, the last first.
    pub changes: Vec<ChangeEvent>,
}

impl Told {
    /// The changes as causes are weighed with them.
    pub(super) fn changes_of_incident(&self) -> Vec<Change> {
        let change = |change: &ChangeEvent| Change {
            node: change.resource_id.to_string(),
            time: change.at,
            what: change.words(),
        };
        self.changes.iter().map(change).collect()
    }

    /// The answer.
    pub(super) fn answer(
        &self,
        ranking: &Ranking,
        gathered: &[Gathered],
        symptom: Symptom,
        rows: u64,
        left_out: Vec<String>,
    ) -> Causes {
        let kept: Vec<&Cause> = ranking.unusual().collect();
        let verdict = match ranking.verdict {
            _ if gathered.is_empty() => "no_data",
            Verdict::Determined => "determined",
            Verdict::Close => "close",
            Verdict::NotDetermined => "not_determined",
        };
        let named = Ranking {
            verdict: ranking.verdict,
            causes: kept.iter().map(|cause| self.named(cause)).collect(),
        };
        let told = kept.iter().zip(&named.causes);
        let causes = told.take(TOLD).filter_map(|(cause, named)| {
            let evidence = self.evidence(gathered.get(cause.at)?);
            Some(self.written(cause, named.words(), evidence))
        });
        let window = &self.window;
        Causes {
            resource_id: self.resource.to_string(),
            from: window.from.into(),
            to: window.to.into(),
            normal_from: window.normal_from.into(),
            normal_to: window.rows_from.into(),
            step_s: window.step.as_secs_f64(),
            verdict: verdict.to_owned(),
            symptom: symptom.metric,
            words: if gathered.is_empty() { Vec::new() } else { named.words() },
            causes: causes.collect(),
            looked_at: LookedAt {
                resources: self.nodes.iter().map(ToString::to_string).collect(),
                metrics: u32::try_from(gathered.len()).unwrap_or(u32::MAX),
                rows,
                changes: u32::try_from(self.changes.len()).unwrap_or(u32::MAX),
                left_out,
            },
        }
    }

    /// The cause with names instead of ids, where they tell the resources apart.
    fn named(&self, cause: &Cause) -> Cause {
        let name = |id: &String| {
            let short = |id: &str| id.split_once(':').map_or(id.to_owned(), |(_, name)| name.to_owned());
            let same = self.nodes.iter().filter(|node| short(node.as_str()) == short(id)).count();
            if same > 1 { id.clone() } else { short(id) }
        };
        Cause { node: name(&cause.node), path: cause.path.iter().map(name).collect(), ..cause.clone() }
    }

    fn written(&self, cause: &Cause, words: String, evidence: CauseEvidence) -> api::Cause {
        let change = cause.change.as_ref().and_then(|change| {
            let same =
                |known: &&ChangeEvent| known.resource_id.as_str() == change.node && known.at == change.time;
            self.changes.iter().find(same)
        });
        api::Cause {
            resource_id: cause.node.clone(),
            metric: cause.metric.clone(),
            score: cause.score,
            surprise: cause.surprise,
            alignment: cause.alignment,
            share: cause.share,
            onset: cause.onset.map(Into::into),
            path: cause.path.clone(),
            change: change.map(Into::into),
            usual: cause.usual,
            worst: cause.worst,
            words,
            evidence,
        }
    }

    fn evidence(&self, gathered: &Gathered) -> CauseEvidence {
        let normal = &gathered.measured.normal;
        let shown = normal.iter().skip(normal.len().saturating_sub(NORMAL_SHOWN));
        let rows: Vec<&(Timestamp, f64)> = shown.chain(&gathered.measured.incident).collect();
        CauseEvidence {
            origin: gathered.origin.as_str().to_owned(),
            series: gathered.series.iter().map(ToString::to_string).collect(),
            normal_rows: normal.len() as u64,
            times_ms: rows.iter().map(|(at, _)| at.as_millis()).collect(),
            values: rows.iter().map(|(_, value)| *value).collect(),
        }
    }
}
