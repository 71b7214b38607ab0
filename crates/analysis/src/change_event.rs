//! Changes that signals tell of: events of deployments, configurations, models and prompts, and resources that begin
//! to call themselves another version.
//!
//! | told by | recognised as |
//! |---|---|
//! | an event `deployment` or `deployment.…`, or any event with the attribute `deployment.id` | deploy |
//! | an event `configuration…`, `config.…` or `feature_flag.change…` | configuration |
//! | an event `gen_ai.model.…` or `model.…` | model |
//! | an event `gen_ai.prompt.…` or `prompt.…` | prompt |
//! | an event `change` or `change.…` with the attribute `change.kind` | what that says |
//! | the resource attribute `service.version` takes a value that it did not have a while ago | deploy |
//!
//! A deployment whose `deployment.status` is `failed` has changed nothing and is no change. Names are those of the
//! OpenTelemetry semantic conventions (1.40: `deployment.*`, `service.version`, `feature_flag.*`, `user.name`,
//! `url.full`) where they have one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use echobase_types::change::{ChangeEvent, ChangeKind, ChangeSource};
use echobase_types::signal::LogRecord;
use echobase_types::{Attributes, ChangeId, ResourceId, SignalBatch, Timestamp};
use uuid::Builder;

use crate::waiting::Waiting;

/// While instances are replaced one by one, old and new take turns: a version that was seen within this time is not
/// new when it is seen again.
const ROLLING: Duration = Duration::from_secs(300);
/// Versions of a resource that are remembered.
const VERSIONS: usize = 8;
/// Resources whose versions are remembered: beyond them a tenth is forgotten, those that were seen longest ago.
const RESOURCES: usize = 20_000;
/// Changes that wait to be taken; beyond them the oldest are dropped and counted.
const WAITING: usize = 1_000;
/// Characters of the longest text that is kept of a change.
const TEXT: usize = 256;

/// A version of a resource and when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    name: String,
    seen: Timestamp,
}

/// Watches signals for changes. Bounded: eight versions each of twenty thousand resources.
#[derive(Clone, Debug, Default)]
pub struct ChangeWatch {
    versions: BTreeMap<ResourceId, VecDeque<Version>>,
    found: Waiting<ChangeEvent, WAITING>,
}

/// The kind of change that a log record tells of, if it tells of one.
///
/// ```
/// use echobase_analysis::change_event::kind_of;
/// use echobase_types::Attributes;
/// use echobase_types::change::ChangeKind;
///
/// assert_eq!(kind_of("deployment.finished", &Attributes::new()), Some(ChangeKind::Deploy));
/// assert_eq!(kind_of("session.start", &Attributes::new()), None);
/// ```
pub fn kind_of(event_name: &str, attributes: &Attributes) -> Option<ChangeKind> {
    if event_name.is_empty() {
        return None;
    }
    let is_under = |stem: &str| {
        event_name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let kind = match () {
        () if is_under("change") => ChangeKind::parse(attributes.text("change.kind")?)?,
        () if is_under("deployment") || attributes.get("deployment.id").is_some() => ChangeKind::Deploy,
        () if is_under("configuration") || is_under("config") => ChangeKind::Configuration,
        () if is_under("feature_flag.change") => ChangeKind::Configuration,
        () if is_under("gen_ai.model") || is_under("model") => ChangeKind::Model,
        () if is_under("gen_ai.prompt") || is_under("prompt") => ChangeKind::Prompt,
        () => return None,
    };
    let has_failed = attributes.text("deployment.status").is_some_and(|status| status == "failed");
    (!has_failed).then_some(kind)
}

impl ChangeWatch {
    /// Tells which version a resource had when it was last seen, so that the next one is a change.
    pub fn know(&mut self, resource: &ResourceId, attributes: &Attributes, seen: Timestamp) {
        if let Some(name) = version_of(attributes) {
            self.version(resource, name, seen);
        }
    }

    /// Looks a batch through and returns what was found in it. `now` is the time at which it became known.
    pub fn observe(&mut self, batch: &SignalBatch, now: Timestamp) -> Vec<&ChangeEvent> {
        let mut new = 0;
        for resource in &batch.resources {
            let Some(name) = version_of(&resource.attributes) else { continue };
            let Some(before) = self.version(&resource.id, name.clone(), now) else { continue };
            let key = ["service.version", &before, &name];
            new += self.find(ChangeEvent {
                id: identify(&resource.id, &key, Some(now)),
                resource_id: resource.id.clone(),
                kind: ChangeKind::Deploy,
                what: resource.name.clone(),
                before: Some(before),
                after: Some(name),
                by: String::new(),
                at: now,
                link: None,
                source: ChangeSource::Version,
                noted_at: now,
            });
        }
        for log in &batch.logs {
            let Some(kind) = kind_of(&log.event_name, &log.attributes) else { continue };
            let Some(resource) = batch.resources.get(log.resource as usize) else { continue };
            new += self.find(told(&resource.id, kind, log, now));
        }
        self.found.iter().rev().take(new).rev().collect()
    }

    /// The changes found since the last call, in the order in which they were found, and how many more there were than
    /// are kept.
    pub fn take(&mut self) -> (Vec<ChangeEvent>, u64) {
        self.found.take()
    }

    /// Puts changes back that were taken and could not be kept.
    pub fn put_back(&mut self, taken: Vec<ChangeEvent>) {
        self.found.put_back(taken);
    }

    /// How many it adds to what is found: one that is known adds none.
    fn find(&mut self, change: ChangeEvent) -> usize {
        if self.found.iter().any(|known| known.id == change.id) {
            return 0;
        }
        self.found.push(change);
        1
    }

    /// Notes a version; the one before, if this one is new.
    fn version(&mut self, resource: &ResourceId, name: String, seen: Timestamp) -> Option<String> {
        if !self.versions.contains_key(resource) && self.versions.len() >= RESOURCES {
            self.forget_oldest();
        }
        let known = self.versions.entry(resource.clone()).or_default();
        let last = known.back().map(|version| version.name.clone());
        let place = known.iter().position(|version| version.name == name);
        let is_running =
            place.and_then(|at| known.remove(at)).is_some_and(|version| seen.since(version.seen) <= ROLLING);
        let is_last = last.as_ref() == Some(&name);
        known.push_back(Version { name, seen });
        if known.len() > VERSIONS {
            known.pop_front();
        }
        last.filter(|_| !is_running && !is_last)
    }

    /// Forgets the tenth of the resources that was seen longest ago.
    fn forget_oldest(&mut self) {
        let seen = |known: &VecDeque<Version>| known.iter().map(|version| version.seen).max();
        let mut all: Vec<_> = self.versions.values().map(seen).collect();
        let (_, limit, _) = all.select_nth_unstable(RESOURCES / 10);
        let limit = *limit;
        self.versions.retain(|_, known| seen(known) > limit);
    }
}

fn version_of(attributes: &Attributes) -> Option<String> {
    let version = cut(&attributes.get("service.version")?.to_string());
    (!version.is_empty()).then_some(version)
}

/// The change that an event tells of.
fn told(resource: &ResourceId, kind: ChangeKind, log: &LogRecord, now: Timestamp) -> ChangeEvent {
    let text = |keys: &[&str]| {
        let found =
            keys.iter().filter_map(|key| log.attributes.get(key)).map(|value| cut(&value.to_string()));
        found.into_iter().find(|text| !text.is_empty())
    };
    let (before, after): (&[&str], &[&str]) = match kind {
        ChangeKind::Deploy => (
            &["change.before", "service.version.previous"],
            &["change.after", "service.version", "deployment.name", "vcs.ref.head.revision"],
        ),
        ChangeKind::Configuration => {
            (&["change.before"], &["change.after", "feature_flag.result.variant", "feature_flag.version"])
        }
        ChangeKind::Model => {
            (&["change.before"], &["change.after", "gen_ai.request.model", "gen_ai.response.model"])
        }
        ChangeKind::Prompt => (&["change.before"], &["change.after", "gen_ai.prompt.version"]),
    };
    let named = text(&["change.what", "service.name", "feature_flag.key", "gen_ai.prompt.name"]);
    let in_words = || Some(cut(&log.body)).filter(|body| !body.is_empty());
    let (before, after) = (text(before), text(after));
    // A deployment tells of its begin and its end: both are the same change.
    let deployment = text(&["deployment.id"]);
    let id = match &deployment {
        Some(deployment) => identify(resource, &[kind.as_str(), deployment], None),
        None => identify(resource, &[kind.as_str(), after.as_deref().unwrap_or(&log.body)], Some(log.time)),
    };
    ChangeEvent {
        id,
        resource_id: resource.clone(),
        kind,
        what: named.or_else(in_words).unwrap_or_else(|| log.event_name.clone()),
        before,
        after,
        by: text(&["change.by", "user.name", "user.id", "vcs.change.author"]).unwrap_or_default(),
        at: log.time,
        link: text(&["change.link", "url.full", "cicd.pipeline.run.url.full"]).filter(|link| is_link(link)),
        source: ChangeSource::Event,
        noted_at: now,
    }
}

/// Whether a text is an address that a page may link to.
pub fn is_link(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn cut(text: &str) -> String {
    text.trim().chars().take(TEXT).collect()
}

/// UUID version 8 (RFC 9562: custom) from a 128-bit FNV-1a hash of what makes a change the same.
fn identify(resource: &ResourceId, parts: &[&str], at: Option<Timestamp>) -> ChangeId {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let time = at.map_or(0, Timestamp::as_micros).to_be_bytes();
    let texts = std::iter::once(resource.as_str()).chain(parts.iter().copied());
    for byte in texts.flat_map(|text| text.bytes().chain([0])).chain(time) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    ChangeId::from_uuid(Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::{Resource, ResourceKind};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    fn batch(version: Option<&str>, events: &[(&str, &[(&str, &str)])]) -> SignalBatch {
        let attributes = version.map(|v| ("service.version", v)).into_iter().collect();
        let id = ResourceId::new("service:shop").unwrap();
        let resource = Resource { id, kind: ResourceKind::Service, name: "shop".into(), attributes };
        let logs = events.iter().map(|(name, attributes)| LogRecord {
            resource: 0,
            time: at(7),
            severity: 9,
            event_name: (*name).to_owned(),
            body: String::new(),
            trace_id: String::new(),
            span_id: String::new(),
            attributes: attributes.iter().copied().collect(),
        });
        SignalBatch { logs: logs.collect(), resources: vec![resource], ..SignalBatch::default() }
    }

    fn words(watch: &mut ChangeWatch) -> Vec<String> {
        watch.take().0.iter().map(ChangeEvent::words).collect()
    }

    #[test]
    fn a_new_version_is_a_deploy_and_instances_that_take_turns_are_not() {
        let mut watch = ChangeWatch::default();
        for (minute, version, want) in [
            (0, "1.0", None),
            (1, "1.0", None),
            (2, "1.1", Some("deploy shop 1.0 → 1.1")),
            (3, "1.0", None), // an instance that is not replaced yet
            (4, "1.1", None),
            (5, "1.0", None),
            (30, "1.1", Some("deploy shop 1.0 → 1.1")), // 1.1 was away, and comes back
            (60, "1.1", None),
        ] {
            watch.observe(&batch(Some(version), &[]), at(minute));
            assert_eq!(words(&mut watch), want.into_iter().collect::<Vec<_>>(), "minute {minute}");
        }
    }

    #[test]
    fn what_was_known_before_a_restart_is_what_a_version_is_held_against() {
        let mut watch = ChangeWatch::default();
        let known = batch(Some("1.0"), &[]);
        watch.know(&known.resources[0].id, &known.resources[0].attributes, at(0));
        watch.observe(&batch(Some("2.0"), &[]), at(9));
        assert_eq!(words(&mut watch), ["deploy shop 1.0 → 2.0"]);
    }

    #[test]
    fn events_are_told_by_name_and_attributes() {
        for (name, attributes, want) in [
            (
                "deployment",
                &[("service.version", "2"), ("change.before", "1")][..],
                "deploy deployment 1 → 2",
            ),
            (
                "deployment.finished",
                &[("deployment.name", "r7"), ("service.name", "shop")],
                "deploy shop → r7",
            ),
            ("cicd.done", &[("deployment.id", "d1")], "deploy cicd.done"),
            ("deployment.finished", &[("deployment.status", "failed")], ""),
            ("deployments_page_opened", &[], ""),
            ("config.reload", &[("change.what", "pool size")], "configuration pool size"),
            ("gen_ai.model.switch", &[("gen_ai.request.model", "m2")], "model gen_ai.model.switch → m2"),
            ("prompt.version", &[("gen_ai.prompt.version", "8")], "prompt prompt.version → 8"),
            ("change", &[("change.kind", "model"), ("change.after", "b")], "model change → b"),
            ("change", &[("change.kind", "weather")], ""),
            ("", &[("deployment.id", "d1")], ""),
        ] {
            let mut watch = ChangeWatch::default();
            watch.observe(&batch(None, &[(name, attributes)]), at(9));
            assert_eq!(words(&mut watch).join(";"), want, "{name} {attributes:?}");
        }
    }

    #[test]
    fn the_begin_and_the_end_of_a_deployment_are_one_change() {
        let mut watch = ChangeWatch::default();
        let attributes: &[(&str, &str)] = &[("deployment.id", "d1")];
        watch.observe(&batch(None, &[("deployment.started", attributes)]), at(9));
        watch.observe(&batch(None, &[("deployment.finished", attributes)]), at(10));
        let (found, _) = watch.take();
        assert_eq!(found.len(), 1);
        watch.observe(&batch(None, &[("deployment.finished", attributes)]), at(11));
        assert_eq!(watch.take().0[0].id, found[0].id, "known again after a restart");
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        for (text, ok) in [("https://ci/1", true), ("javascript:alert(1)", false), ("http://a b", false)] {
            assert_eq!(is_link(text), ok, "{text}");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_the_newest_stay() {
        let mut watch = ChangeWatch::default();
        let names: Vec<String> = (0..WAITING + 5).map(|n| n.to_string()).collect();
        for name in &names {
            let new = watch.observe(&batch(None, &[("deployment", &[("deployment.id", name)])]), at(9)).len();
            assert_eq!(new, 1);
        }
        let (found, dropped) = watch.take();
        assert_eq!((found.len(), dropped), (WAITING, 5));
        let newest = found.last().unwrap().id;
        watch.put_back(found);
        watch.observe(&batch(None, &[("deployment", &[("deployment.id", &names[WAITING + 4])])]), at(9));
        assert_eq!(watch.take().0.last().unwrap().id, newest, "put back, and known again");
    }

    #[test]
    fn resources_that_come_and_go_do_not_fill_the_memory() {
        let mut watch = ChangeWatch::default();
        let seen = batch(Some("1.0"), &[]);
        for n in 0..RESOURCES as i64 * 2 {
            let id = ResourceId::new(&format!("service:pod-{n}")).unwrap();
            watch.know(&id, &seen.resources[0].attributes, at(n));
            watch.know(&seen.resources[0].id, &seen.resources[0].attributes, at(n));
        }
        assert!(watch.versions.len() <= RESOURCES);
        watch.observe(&batch(Some("2.0"), &[]), at(RESOURCES as i64 * 2));
        assert_eq!(words(&mut watch), ["deploy shop 1.0 → 2.0"], "what is there stays known");
    }
}
