//! What an objective would have told on stored history.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_analysis::burn::{self, Objective};
use echobase_analysis::sli::Meter;
use echobase_api::slo::{SloPreview, SloPreviewAlert, SloPreviewRequest};
use echobase_types::slo::{Slo, SloVerdict, Urgency};
use echobase_types::{ErrorKind, SloId, TenantId, Timestamp};

use super::{draft, history, shown};
use crate::app::App;
use crate::problem::{Answer, Failure};

/// Alerts listed; the rest is only counted.
const LISTED: usize = 200;
/// Reading the history may take so long.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: i64 = 60_000_000;

/// Good and bad by the start of the minute.
type Minutes = BTreeMap<Timestamp, (f64, f64)>;

/// Tries an objective on stored history.
pub(crate) async fn preview(app: &App, tenant: &TenantId, request: &SloPreviewRequest) -> Answer<SloPreview> {
    let now = app.now();
    let slo = draft::read(&request.slo, "/slo", SloId::from_uuid(uuid::Uuid::nil()), now)?;
    if !(1..=draft::MAX_DAYS).contains(&request.days) {
        let words = format!("`days` ({}) is not between 1 and {}", request.days, draft::MAX_DAYS);
        return Err(Failure::new(ErrorKind::Unprocessable, words));
    }
    let objective = Objective::new(slo.target, slo.window).ok_or_else(|| {
        Failure::new(ErrorKind::Unprocessable, "target and window of the objective mean nothing together")
    })?;
    let from = now - DAY * request.days;
    let since = from - slo.window.min(3 * DAY);
    let reading = count(app, tenant, &slo, since.min(now - slo.window));
    let (minutes, meter, newest) = tokio::time::timeout(PATIENCE, reading).await.map_err(|_| {
        let words = "there is too much history to try it on within a minute; choose fewer resources or days";
        Failure::new(ErrorKind::Timeout, words)
    })??;
    let test = tokio::task::block_in_place(|| burn::backtest(objective, &minutes, from, now));
    let (good, bad) = test.burn.counted(now);
    let verdict = SloVerdict {
        at: now,
        good,
        bad,
        covered: test.burn.covered(now),
        resources: u32::try_from(meter.resources()).unwrap_or(u32::MAX),
        last_data_at: newest,
        readings: test.burn.readings(now),
        left: test.burn.left(now),
        forecast: test.burn.forecast(now),
        history: test.burn.history(now),
        recent: Vec::new(),
    };
    let of = |urgency: Urgency| test.episodes.iter().filter(|e| e.urgency == urgency).count() as u32;
    let (pages, tickets) = (of(Urgency::Page), of(Urgency::Ticket));
    Ok(SloPreview {
        from: from.into(),
        to: now.into(),
        words: words(request.days, pages, tickets, &verdict),
        pages,
        tickets,
        alerts: test
            .episodes
            .iter()
            .take(LISTED)
            .map(|e| SloPreviewAlert {
                urgency: e.urgency.as_str().to_owned(),
                from: e.from.into(),
                to: e.to.map(Into::into),
                rate: e.rate,
            })
            .collect(),
        status: shown::status(&slo, &verdict),
        history: shown::stretches(&verdict.history),
    })
}

async fn count(
    app: &App,
    tenant: &TenantId,
    slo: &Slo,
    since: Timestamp,
) -> Answer<(Minutes, Meter, Option<Timestamp>)> {
    let mut meter = Meter::new(slo.sli.clone(), app.config.analysis.extra_vitals.clone());
    let mut minutes = Minutes::new();
    let mut newest = None;
    let mut batches = history::read(app, tenant, since, |resource, series| {
        if slo.selector.takes_in(resource) { meter.wanted(series) } else { Default::default() }
    })?;
    while let Some(batch) = batches.next().await? {
        meter.observe(&batch, |resource| slo.selector.takes_in(resource), &mut |count| {
            let minute = count.at.as_micros().div_euclid(MINUTE) * MINUTE;
            let known = minutes.entry(Timestamp::from_micros(minute)).or_default();
            *known = (known.0 + count.good, known.1 + count.bad);
            newest = newest.max(Some(count.at));
        });
        // Long histories share the runtime with those who wait for answers.
        tokio::task::yield_now().await;
    }
    Ok((minutes, meter, newest))
}

fn words(days: u32, pages: u32, tickets: u32, verdict: &SloVerdict) -> String {
    if verdict.attained().is_none() {
        return "nothing that is stored fits: no alert would have been told, and none could have been"
            .to_owned();
    }
    let some = |count: u32, noun: &str| match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    };
    let span = if days == 1 { "day".to_owned() } else { format!("{days} days") };
    format!("in the last {span} it would have told {} and {}", some(pages, "page"), some(tickets, "ticket"))
}
