//! Stored signals for objectives: only the series and spans that one of them counts are read.

use echobase_analysis::sli::{Book, Wanted};
use echobase_telemetry::{Replay, SeriesMeta, TelemetryError};
use echobase_types::signal::Series;
use echobase_types::{ResourceId, TenantId, Timestamp};

use crate::app::App;

/// Counts the stored signals since `since`; says how many rows were read.
pub(super) async fn feed(
    app: &App,
    tenant: &TenantId,
    book: &mut Book,
    since: Timestamp,
) -> Result<u64, TelemetryError> {
    let mut rows = 0;
    let mut batches = read(app, tenant, since, |resource, series| book.wanted(resource, series))?;
    while let Some(batch) = batches.next().await? {
        rows += batch.rows() as u64;
        tokio::task::block_in_place(|| book.observe(&batch));
    }
    Ok(rows)
}

/// The stored signals since `since` of which somebody says that they are wanted.
pub(super) fn read(
    app: &App,
    tenant: &TenantId,
    since: Timestamp,
    wanted: impl Fn(&ResourceId, &[Series]) -> Wanted,
) -> Result<Replay, TelemetryError> {
    let mut rows = echobase_telemetry::Wanted::default();
    for seen in app.telemetry.resources(tenant) {
        let id = seen.resource.id;
        let series: Vec<Series> = app.telemetry.series_of(tenant, &id).into_iter().map(series).collect();
        let wanted = wanted(&id, &series);
        rows.series.extend(wanted.series);
        if wanted.spans {
            rows.spans_of.push(id);
        }
    }
    app.telemetry.replay_of(tenant, (since, Timestamp::from_micros(i64::MAX)), rows)
}

fn series(meta: SeriesMeta) -> Series {
    Series {
        id: meta.id,
        resource: 0,
        name: meta.metric,
        unit: meta.unit,
        kind: meta.kind,
        attributes: meta.attributes,
    }
}
