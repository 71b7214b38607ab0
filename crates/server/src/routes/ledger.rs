//! The ledger.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use echobase_api::Page;
use echobase_api::ledger::{Checkpoint, Entry, EntryQuery, LedgerState, Receipt, Verification};
use echobase_policy::Action;

use crate::app::App;
use crate::convert;
use crate::extract::{Params, Segment};
use crate::guard::Caller;
use crate::problem::{Answer, Failure};
use crate::route::{Access, Route, get, post};

pub(super) fn routes() -> Vec<Route> {
    let read_it = Access::Action(Action::ReadLedger);
    vec![
        get("/api/v1/ledger", "read_ledger", read_it, state)
            .says("ledger", "Size, checkpoint and health of the tenant's log")
            .answers::<LedgerState>(),
        get("/api/v1/ledger/entries", "list_entries", read_it, list)
            .says("ledger", "Entries, newest first")
            .query::<EntryQuery>()
            .answers_page::<Entry>(),
        get("/api/v1/ledger/entries/{seq}", "read_entry", read_it, read)
            .says("ledger", "One entry with its hashes")
            .answers::<Entry>(),
        get("/api/v1/ledger/entries/{seq}/receipt", "read_receipt", read_it, receipt)
            .says("ledger", "Proof that an entry is in the log")
            .answers::<Receipt>(),
        get("/api/v1/ledger/checkpoint", "read_checkpoint", read_it, checkpoint)
            .says("ledger", "The newest signed checkpoint")
            .answers::<Checkpoint>(),
        post("/api/v1/ledger:verify", "verify_ledger", Access::Action(Action::VerifyLedger), verify)
            .says("ledger", "Read every entry again and check chain, tree and checkpoints")
            .answers::<Verification>()
            .repeatable(),
        get("/api/v1/ledger:export", "export_ledger", Access::Action(Action::ExportLedger), export)
            .says(
                "ledger",
                "The whole log as a tar archive in ELX/1; `echobase ledger verify` checks it offline",
            )
            .answers_media("application/x-tar"),
    ]
}

async fn state(State(app): State<App>, caller: Caller) -> Json<LedgerState> {
    Json(app.keeper.state(caller.tenant()))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<EntryQuery>,
) -> Answer<Json<Page<Entry>>> {
    let filter = convert::entry_filter(&query);
    let request = super::page(query.cursor, query.limit)?;
    let page = app.store.ledger().page(caller.tenant(), &filter, &request).await?;
    Ok(Json(convert::page(page, convert::entry)))
}

fn seq_of(text: &str) -> Answer<u64> {
    text.parse().map_err(|_| Failure::not_found("ledger entry", text))
}

async fn read(State(app): State<App>, caller: Caller, Segment(seq): Segment) -> Answer<Json<Entry>> {
    let found = app.store.ledger().entry(caller.tenant(), seq_of(&seq)?).await?;
    Ok(Json(convert::entry(&found)))
}

async fn receipt(State(app): State<App>, caller: Caller, Segment(seq): Segment) -> Answer<Json<Receipt>> {
    let receipt = app.keeper.receipt(caller.tenant(), seq_of(&seq)?).await?;
    let entry = String::from_utf8_lossy(&receipt.entry).into_owned();
    Ok(Json(Receipt { seq: receipt.seq, proof: receipt.proof, entry }))
}

async fn checkpoint(State(app): State<App>, caller: Caller) -> Answer<Json<Checkpoint>> {
    let found = app.keeper.checkpoint(caller.tenant()).await?;
    let found = found.ok_or_else(|| Failure::not_found("checkpoint of", caller.tenant()))?;
    Ok(Json(found))
}

async fn verify(State(app): State<App>, caller: Caller) -> Answer<Json<Verification>> {
    Ok(Json(app.keeper.verify(caller.tenant()).await?))
}

async fn export(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let archive = app.keeper.export(caller.tenant()).await?;
    let name = format!("attachment; filename=\"ledger-{}.tar\"", caller.tenant());
    Ok((
        [(header::CONTENT_TYPE, "application/x-tar".to_owned()), (header::CONTENT_DISPOSITION, name)],
        archive,
    )
        .into_response())
}
