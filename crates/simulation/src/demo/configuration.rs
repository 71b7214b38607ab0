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

/// What the demo changes from the defaults: a cycle of one second, limits that let five interventions through in three
/// minutes without a person, and the plant as processes that the server supervises.
const PREAMBLE: &str = "\
[host]
enabled = false

[cycle]
every = \"1s\"

[analysis]
warmup_points = 20
span_interval = \"2s\"

[oncall.rules]
fire_after = \"4s\"
exhaustion_warning = \"2m\"
exhaustion_critical = \"1m\"
exhaustion_well = \"4m\"

[controller]
cooldown_floor = \"5s\"
tenant_per_hour = 200
global_per_hour = 200
storm_threshold = 100
autonomy_successes = 0
";

/// The whole file.
pub(super) fn text(config: &DemoConfig, addresses: &Addresses) -> String {
    let mut text = PREAMBLE.to_owned();
    for role in Role::ALL {
        let Some(&first) = addresses.of(role).first() else { continue };
        let node = NodeConfig {
            role,
            instance: 0,
            listen: first,
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
            .chain(of_any_instance(node.to_arguments()))
            .collect();
        // A list of JSON texts is a list of TOML texts. Writing to a String cannot fail.
        let _ = write!(
            text,
            "
[[controller.processes]]
name = {}
resource = {}
command = {}
base_port = {}
max_instances = {MAX_INSTANCES}
readiness = {{ kind = \"http\", address = \"127.0.0.1:{{port}}\", path = \"/health\" }}
stop_timeout = \"4s\"
",
            json!(role.as_str()),
            json!(role.resource_id()),
            json!(command),
            first.port(),
        );
    }
    text
}

/// The arguments with the marks that the process actuator fills in for each instance.
fn of_any_instance(arguments: Vec<String>) -> Vec<String> {
    let mut previous = String::new();
    let filled = arguments.into_iter().map(|argument| {
        let name = std::mem::replace(&mut previous, argument.clone());
        match name.as_str() {
            "--instance" => "{instance}".to_owned(),
            "--listen" => "127.0.0.1:{port}".to_owned(),
            _ => argument,
        }
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn every_part_of_the_plant_is_a_process_with_marks_for_its_instances() {
        let addresses = Addresses::reserve().unwrap();
        let config = DemoConfig { binary: "/bin/echobase".into(), folder: "/x".into(), plan: plan::short(7) };
        let text = text(&config, &addresses);
        assert_eq!(text.matches("[[controller.processes]]").count(), Role::ALL.len());
        for part in [
            "\"--instance\",\"{instance}\"",
            "\"--listen\",\"127.0.0.1:{port}\"",
            "\"/bin/echobase\",\"plant-node\"",
        ] {
            assert_eq!(text.matches(part).count(), Role::ALL.len(), "{part} in:\n{text}");
        }
    }
}
