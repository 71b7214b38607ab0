//! `kill -9` in the middle of an intervention: it is resumed or rolled back, never left open, never done twice.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::session::enter;
use crate::world::{World, json_of};

/// A server that watches this machine quickly, with one command that notes each of its runs in a file.
fn world(script: &str) -> (World, NamedTempFile) {
    let notes = NamedTempFile::new().unwrap();
    let file = notes.path().display();
    let world = World::with(&format!(
        "[host]\ninterval = \"1s\"\ntop_processes = 0\n\
         [[controller.commands]]\nname = \"mend\"\n\
         argv = [\"/bin/sh\", \"-c\", \"echo done >> {file}; {script}\"]\n\
         revert_argv = [\"/bin/sh\", \"-c\", \"echo undone >> {file}\"]\n"
    ));
    (world, notes)
}

fn noted(notes: &NamedTempFile) -> Vec<String> {
    std::fs::read_to_string(notes.path()).unwrap().lines().map(str::to_owned).collect()
}

/// Proposes the command for this machine, tries it dry and has another person approve the digest.
async fn begin(world: &World, success: &str) -> String {
    let hosts = world
        .wait_for("this machine", "/api/v1/resources?kind=host", |seen| seen["items"][0]["id"].is_string())
        .await;
    let draft = json!({
        "target": hosts["items"][0]["id"], "actuator": "command", "reason": "to see it through",
        "steps": [{ "action": "run", "arguments": { "command": "mend" } }],
        "success": [success], "verify_within_s": 30,
    });
    let proposed = world.post("/api/v1/interventions", &draft).await;
    let path = format!("/api/v1/interventions/{}", proposed["id"].as_str().unwrap());
    let tried = world.wait_for("the dry run", &path, |i| i["digest"].is_string()).await;
    assert_eq!(tried["approvals_needed"], 1, "{tried}");

    let olga = json!({ "name": "olga", "role": "operator", "password": "a long enough password" });
    world.post("/api/v1/principals", &olga).await;
    let form = json!({ "name": "olga", "password": "a long enough password" });
    let (browser, session) = enter(world, "/api/v1/session", &form).await;
    let approve = browser
        .post(format!("{}{path}:approve", world.api))
        .header("x-csrf-token", session["csrf_token"].as_str().unwrap())
        .json(&json!({ "digest": tried["digest"] }));
    json_of(approve.send().await.unwrap(), StatusCode::OK).await;
    path
}

/// Waits until the command has noted that it runs.
async fn running(notes: &NamedTempFile) {
    while noted(notes).is_empty() {
        tokio::task::yield_now().await;
    }
}

async fn ended(world: &World, path: &str) -> Value {
    let open = ["proposed", "validated", "approved", "executing", "rolling_back"];
    let is_open = |i: &Value| open.contains(&i["state"].as_str().unwrap());
    world.wait_for("the end", path, |i| !is_open(i)).await
}

/// The ledger is whole and tells the same story.
async fn proved(world: &World, id: &str, actions: &[&str]) {
    let report = world.post("/api/v1/ledger:verify", &json!({})).await;
    assert_eq!((&report["intact"], &report["findings"]), (&json!(true), &json!([])), "{report}");
    let entries = world.get(&format!("/api/v1/ledger/entries?resource_id={id}")).await;
    let told = entries["items"].as_array().unwrap().iter();
    let mut told: Vec<(u64, &str)> =
        told.map(|e| (e["seq"].as_u64().unwrap(), e["action"].as_str().unwrap())).collect();
    told.sort_unstable();
    let told: Vec<&str> =
        told.into_iter().map(|(_, action)| action.trim_start_matches("intervention.")).collect();
    assert_eq!(told, actions, "{entries}");
}

#[tokio::test]
async fn a_step_that_was_under_way_at_a_kill_is_undone_once() {
    let (mut world, notes) = world("exec sleep 30");
    let path = begin(&world, "stability.score >= 0.0").await;
    running(&notes).await;
    world.kill_and_restart();
    let after = ended(&world, &path).await;
    assert_eq!(after["state"], "rolled_back", "{after}");
    assert_eq!(noted(&notes), ["done", "undone"]);
    let id = path.rsplit_once('/').unwrap().1;
    let way = ["propose", "validate", "approve", "execute", "step", "rollback", "step", "rolled_back"];
    proved(&world, id, &way).await;
}

#[tokio::test]
async fn a_step_that_was_done_before_a_kill_is_verified_after_it_and_not_done_again() {
    let (mut world, notes) = world("true");
    let path = begin(&world, "stability.score >= 0.0").await;
    world.wait_for("the step", &path, |i| i["executed_at"].is_string()).await;
    world.kill_and_restart();
    let after = ended(&world, &path).await;
    assert_eq!((&after["state"], &after["verification"]), (&json!("verified"), &json!("pass")), "{after}");
    assert_eq!(noted(&notes), ["done"]);
    let id = path.rsplit_once('/').unwrap().1;
    proved(&world, id, &["propose", "validate", "approve", "execute", "step", "verify"]).await;
}
