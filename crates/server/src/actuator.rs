//! The actuator `webhook`: tells another system to do a step, signed, behind the egress guard.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use echobase_channels::webhook::send;
use echobase_channels::{EgressConfig, Guard, Origin, Outcome, Secret, Webhook};
use echobase_controller::actuator::{Actuator, ActuatorError, Call, Refusal, Target, cut_output};
use echobase_types::intervention::{Preview, RiskClass, Step, StepReceipt};
use serde_json::json;

use crate::clock::Clock;
use crate::config::WebhookConfig;
use crate::environment::variable;

/// A receiver has this long to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The endpoints that the operator named, and the guard for all others.
#[derive(Clone)]
pub(crate) struct Webhooks {
    guard: Arc<Guard>,
    named: Arc<BTreeMap<String, (String, Secret)>>,
    /// Signs what goes to URLs of playbooks; receivers find it in the data folder.
    own: Secret,
    clock: Clock,
}

/// Reads the endpoints and their secrets.
pub(crate) fn webhooks(configs: &[WebhookConfig], data: &Path, clock: Clock) -> Result<Webhooks, String> {
    let mut named = BTreeMap::new();
    for config in configs {
        let text = match config.secret.split_once(':') {
            Some(("env", name)) => variable(name)
                .ok_or_else(|| format!("webhook `{}`: the variable {name} is not set", config.name))?,
            Some(("file", path)) => std::fs::read_to_string(path)
                .map_err(|e| format!("webhook `{}`: read its secret from {path}: {e}", config.name))?,
            _ => {
                return Err(format!(
                    "webhook `{}`: write its secret as `env:NAME` or `file:PATH`",
                    config.name
                ));
            }
        };
        let secret = Secret::parse(&text).map_err(|e| format!("webhook `{}`: {e}", config.name))?;
        named.insert(config.name.clone(), (config.url.clone(), secret));
    }
    let guard = Guard::new(EgressConfig::default());
    Ok(Webhooks { guard: Arc::new(guard), named: Arc::new(named), own: own_secret(data)?, clock })
}

fn own_secret(data: &Path) -> Result<Secret, String> {
    let path = data.join("webhook.secret");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Secret::parse(&text).map_err(|e| format!("use {}: {e}", path.display()));
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| format!("make {}: {e}", path.display()))?;
    let secret = Secret::from_bytes(&bytes).map_err(|e| e.to_string())?;
    crate::files::write_secret(&path, secret.reveal().as_bytes())
        .map_err(|e| format!("write {}: {e}", path.display()))?;
    Ok(secret)
}

impl Webhooks {
    /// Sends a message to a named endpoint.
    pub(crate) async fn send_named(&self, name: &str, id: &str, body: String) -> Outcome {
        let Some((url, secret)) = self.named.get(name) else {
            return Outcome::Refused { reason: format!("there is no [[webhooks]] named `{name}` any more") };
        };
        self.send(url, Origin::Configuration, secret, id, body).await
    }

    async fn send(&self, url: &str, origin: Origin, secret: &Secret, id: &str, body: String) -> Outcome {
        let webhook = Webhook {
            id: id.to_owned(),
            url: url.to_owned(),
            origin,
            secret: secret.clone(),
            body: body.into_bytes(),
            timeout: TIMEOUT,
        };
        send(&self.guard, &webhook, (self.clock)()).await
    }

    fn endpoint<'a>(&'a self, step: &'a Step) -> Result<(&'a str, Origin, &'a Secret), Refusal> {
        match (step.arguments.get("webhook"), step.arguments.get("url")) {
            (Some(name), None) => {
                let known = || self.named.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let (url, secret) = self.named.get(name).ok_or_else(|| {
                    Refusal::new(format!("there is no [[webhooks]] named `{name}`; there are: {}", known()))
                })?;
                Ok((url, Origin::Configuration, secret))
            }
            (None, Some(url)) => Ok((url, Origin::Api, &self.own)),
            _ => Err(Refusal::new("give `webhook` (a name from [[webhooks]]) or `url`, and not both")),
        }
    }

    async fn tell(&self, phase: &str, step: &Step, call: &Call) -> Result<u16, String> {
        let (url, origin, secret) = self.endpoint(step).map_err(|e| e.reason)?;
        let arguments: BTreeMap<&String, &String> = step
            .arguments
            .iter()
            .filter(|(k, _)| !matches!(k.as_str(), "webhook" | "url" | "reversible"))
            .collect();
        let body = json!({
            "kind": "intervention",
            "phase": phase,
            "intervention": call.intervention.to_string(),
            "step": call.step,
            "epoch": call.epoch,
            "tenant": call.target.tenant.as_str(),
            "target": call.target.resource.as_str(),
            "action": step.action,
            "arguments": arguments,
        });
        match self.send(url, origin, secret, &format!("{}/{phase}", call.key()), body.to_string()).await {
            Outcome::Delivered { status } => Ok(status),
            Outcome::Retry { reason, .. } | Outcome::Refused { reason } => Err(reason),
        }
    }
}

fn is_reversible(step: &Step) -> bool {
    step.arguments.get("reversible").is_some_and(|v| v == "true")
}

#[async_trait]
impl Actuator for Webhooks {
    fn name(&self) -> &str {
        "webhook"
    }

    fn risk_floor(&self, step: &Step) -> RiskClass {
        // What the other side does is not ours to see; what it cannot undo needs a person.
        if is_reversible(step) { RiskClass::Low } else { RiskClass::Medium }
    }

    async fn preview(&self, target: &Target, step: &Step) -> Result<Preview, Refusal> {
        let (url, origin, _) = self.endpoint(step)?;
        self.guard.vet(url, origin).await.map_err(|e| Refusal::new(e.to_string()))?;
        let host = url.split('/').nth(2).unwrap_or(url);
        Ok(Preview {
            summary: format!("tell {host} to {} {}", step.action, target.resource),
            before: "not told".to_owned(),
            after: format!("{host} was told to {}", step.action),
            units: 1,
            units_total: 1,
            target_version: String::new(),
            reversible: is_reversible(step),
        })
    }

    async fn apply(&self, step: &Step, call: &Call) -> Result<StepReceipt, ActuatorError> {
        let undo = serde_json::to_string(&json!({
            "action": step.action,
            "arguments": step.arguments,
        }));
        let receipt = |summary: String, output: String| StepReceipt {
            step: call.step,
            summary,
            undo: undo.unwrap_or_default(),
            output: cut_output(&output),
        };
        match self.tell("apply", step, call).await {
            Ok(status) => Ok(receipt(format!("the receiver took it with status {status}"), String::new())),
            Err(detail) if is_reversible(step) => Err(ActuatorError::Partly {
                receipt: receipt("the receiver may have taken it".to_owned(), detail.clone()),
                detail,
            }),
            Err(detail) => Err(ActuatorError::untouched(detail)),
        }
    }

    async fn revert(&self, receipt: &StepReceipt, call: &Call) -> Result<String, ActuatorError> {
        let broken = |e: serde_json::Error| ActuatorError::untouched(format!("read the receipt: {e}"));
        let undo: serde_json::Value = serde_json::from_str(&receipt.undo).map_err(broken)?;
        let arguments = undo.get("arguments").cloned().unwrap_or_default();
        let step = Step {
            action: undo.get("action").and_then(|a| a.as_str()).unwrap_or_default().to_owned(),
            arguments: serde_json::from_value(arguments).map_err(broken)?,
            argv: Vec::new(),
        };
        let status = self.tell("revert", &step, call).await.map_err(ActuatorError::untouched)?;
        Ok(format!("the receiver took the reversal with status {status}"))
    }
}
