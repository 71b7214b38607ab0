//! From when to when an incident lasted, and which time is its normal.

use std::time::Duration;

use echobase_api::causes::CausesQuery;
use echobase_types::alert::AlertState;
use echobase_types::assessment::Severity;
use echobase_types::{AlertId, ErrorKind, IncidentId, ResourceId, TenantId, Timestamp};

use crate::app::App;
use crate::problem::{Answer, Failure};

/// The shortest and the longest incident.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(86_400);
/// An open anomaly that began longer ago is no begin of an incident that is asked about now.
const OPEN_WITHIN: Duration = Duration::from_secs(6 * 3_600);
/// Without any sign of a begin this much is looked at.
const DEFAULT: Duration = Duration::from_secs(900);
/// Normal is so many times as long as the incident, within bounds.
const NORMAL_TIMES: u32 = 24;
const NORMAL_SHORTEST: Duration = Duration::from_secs(3_600);
const NORMAL_LONGEST: Duration = Duration::from_secs(3 * 86_400);
/// Rows of a series at most, normal and incident together, and of an incident.
const ROWS: u32 = 1_500;
const INCIDENT_ROWS: u32 = 60;

/// The times of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Begin of normal.
    pub normal_from: Timestamp,
    /// End of normal, begin of the rows that count as the incident: a little before it, to see it begin.
    pub rows_from: Timestamp,
    /// Begin of the incident.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Distance of rows: whole seconds.
    pub step: Duration,
}

impl Window {
    /// Around an incident.
    pub(super) fn around(from: Timestamp, to: Timestamp) -> Self {
        let from = from.min(to - SHORTEST);
        let length = to.since(from);
        let rows_from = from - length / 3;
        let normal = (length * NORMAL_TIMES).clamp(NORMAL_SHORTEST, NORMAL_LONGEST);
        let normal_from = rows_from - normal;
        let step = (to.since(normal_from) / ROWS).max(length / INCIDENT_ROWS);
        let step = Duration::from_secs(step.as_secs_f64().ceil().max(1.0) as u64);
        Self { normal_from, rows_from, from, to, step }
    }
}

/// The times that a caller asks about.
pub(super) async fn of(
    app: &App,
    tenant: &TenantId,
    nodes: &[ResourceId],
    query: &CausesQuery,
) -> Answer<Window> {
    let now = app.now();
    let about = match query.about.as_deref() {
        Some(id) => Some(times_of(app, tenant, nodes, id).await?),
        None => None,
    };
    let to = query.to.map(|t| t.0).or(about.and_then(|(_, end)| end)).unwrap_or(now);
    let begun = query.from.map(|t| t.0).or(about.map(|(begin, _)| begin));
    let from = begun.unwrap_or_else(|| oldest_open(app, tenant, nodes, to).unwrap_or(to - DEFAULT));
    if from >= to {
        return Err(Failure::new(ErrorKind::Invalid, format!("`from` ({from}) must be before `to` ({to})")));
    }
    if to.since(from) > LONGEST {
        let words =
            "an incident of more than a day is none to find a cause of; ask about the time when it began";
        return Err(Failure::new(ErrorKind::Invalid, words));
    }
    Ok(Window::around(from, to))
}

/// When the oldest anomaly began that is open now, the grave ones first.
fn oldest_open(app: &App, tenant: &TenantId, nodes: &[ResourceId], to: Timestamp) -> Option<Timestamp> {
    let verdicts: Vec<_> = nodes.iter().filter_map(|id| app.analysis.of(tenant, id)).collect();
    let begun = |least: Severity| {
        let open = verdicts.iter().flat_map(|latest| &latest.assessment.anomalies);
        let recent = open.filter(|a| a.severity >= least && a.started_at < to);
        recent.map(|a| a.started_at).filter(|begun| to.since(*begun) <= OPEN_WITHIN).min()
    };
    begun(Severity::Warning).or_else(|| begun(Severity::Info))
}

/// Begin and end of an anomaly, an alert or an incident of one of these resources.
async fn times_of(
    app: &App,
    tenant: &TenantId,
    nodes: &[ResourceId],
    id: &str,
) -> Answer<(Timestamp, Option<Timestamp>)> {
    let missing = || Failure::not_found("open anomaly, alert or incident of this resource", id);
    let verdicts = nodes.iter().filter_map(|node| app.analysis.of(tenant, node));
    let open = verdicts.flat_map(|latest| latest.assessment.anomalies.clone());
    if let Some(anomaly) = open.into_iter().find(|anomaly| anomaly.id.to_string() == id) {
        return Ok((anomaly.started_at, anomaly.ended_at));
    }
    let alert: AlertId = id.parse().map_err(|_| missing())?;
    match app.store.alerts().get(tenant, alert).await {
        Ok(alert) if alert.resource_id.as_ref().is_some_and(|r| nodes.contains(r)) => {
            return Ok((alert.started_at, ended(&alert.state)));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let incident: IncidentId = id.parse().map_err(|_| missing())?;
    match app.store.incidents().get(tenant, incident).await {
        Ok(incident) if nodes.contains(&incident.resource_id) => Ok((incident.started_at, incident.ended_at)),
        Ok(_) => Err(missing()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// When an alert held no longer.
fn ended(state: &AlertState) -> Option<Timestamp> {
    match state {
        AlertState::Resolved { at } => Some(*at),
        AlertState::Firing | AlertState::Acknowledged { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_that_is_over_ended_when_it_was_resolved() {
        let at = Timestamp::from_secs(7);
        assert_eq!(ended(&AlertState::Resolved { at }), Some(at));
        assert_eq!(ended(&AlertState::Acknowledged { at }), None, "somebody has taken it; it still holds");
        assert_eq!(ended(&AlertState::Firing), None);
    }

    #[test]
    fn rows_are_whole_seconds_and_bounded_however_long_the_incident() {
        let to = Timestamp::from_secs(1_000_000);
        for (length, step, normal) in
            [(1, 3, 3_600), (60, 3, 3_600), (900, 16, 21_600), (86_400, 1_440, 259_200)]
        {
            let window = Window::around(to - Duration::from_secs(length), to);
            let rows = to.since(window.normal_from).as_secs() / window.step.as_secs();
            assert!(rows <= u64::from(ROWS), "{length}: {rows} rows");
            assert_eq!(window.step, Duration::from_secs(step), "{length}");
            assert_eq!(window.rows_from.since(window.normal_from).as_secs(), normal, "{length}");
            assert!(window.rows_from < window.from && to.since(window.from) >= SHORTEST);
        }
    }
}
