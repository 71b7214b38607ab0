//! What a playbook would have done on stored history.

use echobase_api::assessment::Assessment as Stored;
use echobase_api::playbook::{BacktestAction, BacktestReport};
use echobase_controller::{Backtest, playbook as source};
use echobase_types::assessment::Assessment;
use echobase_types::{ErrorKind, TenantId, Timestamp};

use crate::app::App;
use crate::convert;
use crate::problem::{Answer, Failure};

/// Actions listed; the rest is only counted.
const LISTED: usize = 1_000;

/// Replays the stored assessments of a time range through a playbook.
pub(crate) async fn run(
    app: &App,
    tenant: &TenantId,
    text: &str,
    from: Timestamp,
    to: Timestamp,
) -> Answer<BacktestReport> {
    let parsed = source::parse(text).map_err(|faults| {
        let errors = faults.iter().map(convert::fault).collect();
        Failure(
            Failure::new(ErrorKind::Unprocessable, "the playbook has faults; see `errors`")
                .0
                .with_errors(errors),
        )
    })?;
    let mut backtest = Backtest::new(parsed, &app.config.controller);
    let mut rows = app.telemetry.assessments_all(tenant, from, to)?;
    while let Some(batch) = rows.next().await? {
        for row in batch {
            // A row that does not read back is one that cannot be decided.
            let read = serde_json::from_str::<Stored>(&row.body).ok();
            match read.and_then(|stored| Assessment::try_from(&stored).ok()) {
                Some(assessment) => backtest.step(&assessment),
                None => backtest.skip(),
            }
        }
        // Long histories share the runtime with those who wait for answers.
        tokio::task::yield_now().await;
    }
    let report = backtest.finish();
    let actions_folded = report.actions.len().saturating_sub(LISTED) as u64;
    Ok(BacktestReport {
        from: from.into(),
        to: to.into(),
        evaluated: report.evaluated,
        unknown: report.unknown,
        matched: report.matched,
        actions: report
            .actions
            .into_iter()
            .take(LISTED)
            .map(|a| BacktestAction {
                at: a.at.into(),
                resource_id: a.resource.to_string(),
                score: a.score,
                risk: a.risk,
                suppressed_by: a.suppressed_by.map(|g| g.to_string()),
                words: a.words,
            })
            .collect(),
        actions_folded,
    })
}
