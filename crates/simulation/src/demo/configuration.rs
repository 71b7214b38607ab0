//! The configuration and the playbooks of the demo's server.

use std::fmt::Write as _;

use serde_json::json;

use super::DemoConfig;
use super::address::Addresses;
use crate::node::NodeConfig;
use crate::plant::{MAX_INSTANCES, MEMORY_LIMIT, Role};

/// The playbooks of the demo: one per fault.
pub(super) const PLAYBOOKS: [&str; 5] = [
    include_str!("../../../../fixtures/playbooks/demo/restart-on-memory-leak.yaml"),
    include_str!("../../../../fixtures/playbooks/demo/restart-on-error-burst.yaml"),
    include_str!("../../../../fixtures/playbooks/demo/restart-dead-dependency.yaml"),
    include_str!("../../../../fixtures/playbooks/demo/restart-slow-engine.yaml"),
    include_str!("../../../../fixtures/playbooks/demo/scale-up-on-cpu-saturation.yaml"),
];

/// What the demo changes from the defaults: a cycle of one second, cool-downs of seconds, and the plant as processes
/// that the server supervises.
const PREAMBLE: &str = "\
[host]
enabled = false

[cycle]
every = \"1s\"

[analysis]
warmup_points = 20
span_interval = \"2s\"

[controller]
min_cooldown = \"5s\"
";

/// The whole file.
pub(super) fn text(config: &DemoConfig, addresses: &Addresses) -> String {
    let mut text = PREAMBLE.to_owned();
    for role in Role::ALL {
        let node = NodeConfig {
            role,
            listen: addresses.of(role).to_vec(),
            telemetry: format!("http://{}", addresses.telemetry),
            upstreams: role
                .upstreams()
                .iter()
                .map(|&called| (called, addresses.of(called).to_vec()))
                .collect(),
            seed: config.plan.seed,
            memory_limit: MEMORY_LIMIT,
        };
        let command: Vec<String> = [config.binary.display().to_string(), "plant-node".to_owned()]
            .into_iter()
            .chain(node.to_arguments())
            .collect();
        let ready =
            addresses.of(role).first().map(|address| format!("http://{address}/health")).unwrap_or_default();
        // A list of JSON texts is a list of TOML texts. Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[controller.processes]]\nname = {}\nresource = {}\ncommand = {}\nready_url = {}\nmax_instances = {MAX_INSTANCES}\n",
            json!(role.as_str()),
            json!(role.resource_id()),
            json!(command),
            json!(ready),
        );
    }
    text
}
