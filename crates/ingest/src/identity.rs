//! The identity rule: which resource attributes name, and which series a point belongs to.
//!
//! The rule in words, with examples, is `docs/reference/identity.md`; the two must say the same.

use echobase_types::{AttributeValue, Attributes, Resource, ResourceId, ResourceKind, SeriesId};
use xxhash_rust::xxh3::xxh3_64;

/// A resource with what tells its instances apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    /// The resource; its attributes are without those of single instances.
    pub resource: Resource,
    /// What tells this instance from the others of the same resource: goes onto series, logs and spans.
    pub instance: Attributes,
}

/// Attributes that tell instances apart: the first group of which a member is present is taken, whole.
const INSTANCE: [&[&str]; 5] = [
    &["service.instance.id"],
    &["k8s.pod.name"],
    &["container.id"],
    &["faas.instance"],
    &["host.name", "process.pid"],
];

/// Attributes of a process or an instance, which never describe a resource of any kind.
const NEVER: [&str; 8] = [
    "echobase.resource.kind",
    "echobase.resource.name",
    "faas.instance",
    "process.",
    "service.instance.id",
    "telemetry.distro.",
    "telemetry.sdk.",
    "thread.",
];

/// Attributes that describe a machine, and so only resources that are one.
const OF_MACHINES: [&str; 6] = ["container.", "host.", "k8s.container.", "k8s.node.", "k8s.pod.", "os."];

/// What the metrics of known model servers begin with: vLLM, SGLang, llama.cpp, text-generation-inference, Ollama,
/// Triton.
pub(crate) const ENGINES: [&str; 6] = ["vllm:", "sglang:", "llamacpp:", "tgi_", "ollama_", "nv_inference_"];

/// Bytes of the longest resource id.
const MAX_ID: usize = 255;

/// The name of a resource that says nothing about itself.
const UNKNOWN: &str = "unknown";

/// Says which resource these OpenTelemetry resource attributes name.
///
/// The first of these that is present decides: `echobase.resource.kind` with `echobase.resource.name`;
/// `gen_ai.agent.id` or `gen_ai.agent.name` (agent); `gen_ai.engine.id` or `gen_ai.engine.name` (engine);
/// `service.name` within `service.namespace` (service); `host.name` or `host.id` (host). Else `service:unknown`.
///
/// ```
/// use echobase_ingest::identity::identify;
/// let all = [("service.namespace", "shop"), ("service.name", "orders"), ("service.instance.id", "a1")];
/// let known = identify(all.into_iter().collect());
/// assert_eq!(known.resource.id.as_str(), "service:shop/orders");
/// assert_eq!(known.instance.text("service.instance.id"), Some("a1"));
/// ```
pub fn identify(attributes: Attributes) -> Identified {
    let (kind, path, name) = name_of(&attributes);
    let mut instance = Attributes::new();
    let host = kind == ResourceKind::Host;
    for group in INSTANCE.iter().take(if host { 1 } else { INSTANCE.len() }) {
        for key in *group {
            if let Some(value) = attributes.get(key).filter(|value| !is_blank(value)) {
                instance.insert(*key, value.clone());
            }
        }
        if !instance.is_empty() {
            break;
        }
    }
    let describes = |key: &str| {
        let under = |prefix: &&str| key == *prefix || (prefix.ends_with('.') && key.starts_with(*prefix));
        !NEVER.iter().any(&under) && (host || !OF_MACHINES.iter().any(under))
    };
    let kept = attributes.into_iter().filter(|(key, _)| describes(key)).collect();
    Identified { resource: Resource { id: resource_id(kind, &path), kind, name, attributes: kept }, instance }
}

/// A resource of a stated kind and name; a `/` in the name separates namespace and name.
pub fn named(kind: ResourceKind, name: &str, attributes: Attributes) -> Resource {
    let path: Vec<&str> = name.split('/').collect();
    Resource { id: resource_id(kind, &path), kind, name: name.to_owned(), attributes }
}

/// Says which resource a series with Prometheus labels is of, where it comes alone and not with all that its target
/// says. `label` answers the value of a label.
///
/// The first that holds decides: the label `echobase_resource_name` (with `echobase_resource_kind`, default `service`); a
/// metric of the node exporter (`node_…`) is of the host in `instance`; one of a model server of the engine named as the
/// label `job`; any other of the service named as the `job`, or else of the host in the label `host` or `hostname`.
pub fn of_labels<'a>(metric: &str, label: impl Fn(&str) -> Option<&'a str>) -> Identified {
    let label = |name: &str| label(name).map(str::trim).filter(|text| !text.is_empty());
    let stated = label("echobase_resource_kind").and_then(ResourceKind::parse);
    let host = |name: &str| {
        let attributes = [("host.name", name)].into_iter().collect();
        named(ResourceKind::Host, name, attributes)
    };
    let node = label("instance").filter(|_| metric.starts_with("node_")).map(without_port);
    let resource = if let Some(name) = label("echobase_resource_name") {
        named(stated.unwrap_or(ResourceKind::Service), name, Attributes::new())
    } else if let Some(node) = node {
        host(node)
    } else if let Some(job) = label("job") {
        let is_engine = ENGINES.iter().any(|engine| metric.starts_with(engine));
        named(if is_engine { ResourceKind::Engine } else { ResourceKind::Service }, job, Attributes::new())
    } else if let Some(name) = label("host").or_else(|| label("hostname")) {
        host(name)
    } else {
        named(ResourceKind::Service, UNKNOWN, Attributes::new())
    };
    Identified { resource, instance: Attributes::new() }
}

/// `db-3:9100` and `[::1]:9100` without their port.
fn without_port(instance: &str) -> &str {
    let Some((host, port)) = instance.rsplit_once(':') else { return instance };
    let is_bare = !host.contains(':') || host.ends_with(']');
    if is_bare && port.bytes().all(|b| b.is_ascii_digit()) { host } else { instance }
}

/// The resource that an id such as `service:shop/orders` names, or `None` where it begins with no known kind.
pub fn of_id(id: &ResourceId) -> Option<Resource> {
    let (kind, name) = id.as_str().split_once(':')?;
    let kind = ResourceKind::parse(kind).filter(|_| !name.is_empty())?;
    Some(Resource { id: id.clone(), kind, name: decode_percent(name), attributes: Attributes::new() })
}

/// Kind, parts of the id, and display name.
fn name_of(attributes: &Attributes) -> (ResourceKind, Vec<String>, String) {
    let text = |key: &str| {
        let value = attributes.get(key)?.to_string();
        Some(value.trim().to_owned()).filter(|v| !v.is_empty())
    };
    let stated_kind = text("echobase.resource.kind").and_then(|word| ResourceKind::parse(&word));
    if let Some(name) = text("echobase.resource.name") {
        let kind = stated_kind.unwrap_or(ResourceKind::Service);
        return (kind, name.split('/').map(str::to_owned).collect(), name);
    }
    let by_id_and_name = |id: &str, name: &str| {
        let (id, name) = (text(id), text(name));
        let shown = name.clone().or_else(|| id.clone())?;
        Some((vec![id.or(name)?], shown))
    };
    let found = by_id_and_name("gen_ai.agent.id", "gen_ai.agent.name")
        .map(|found| (ResourceKind::Agent, found))
        .or_else(|| {
            by_id_and_name("gen_ai.engine.id", "gen_ai.engine.name")
                .map(|found| (ResourceKind::Engine, found))
        })
        .or_else(|| Some((ResourceKind::Service, service(text("service.namespace"), text("service.name")?))))
        .or_else(|| {
            let name = text("host.name").or_else(|| text("host.id"))?;
            Some((ResourceKind::Host, (vec![name.clone()], name)))
        });
    let (kind, (path, name)) =
        found.unwrap_or_else(|| (ResourceKind::Service, (vec![UNKNOWN.to_owned()], UNKNOWN.to_owned())));
    (stated_kind.unwrap_or(kind), path, name)
}

/// Path and name of a service. SDKs call a service without a name `unknown_service` or `unknown_service:<program>`.
fn service(namespace: Option<String>, name: String) -> (Vec<String>, String) {
    let name = match name.strip_prefix("unknown_service") {
        Some("") => UNKNOWN.to_owned(),
        Some(rest) if rest.starts_with(':') => format!("{UNKNOWN}{rest}"),
        _ => name,
    };
    match namespace {
        Some(space) => (vec![space.clone(), name.clone()], format!("{space}/{name}")),
        None => (vec![name.clone()], name),
    }
}

fn is_blank(value: &AttributeValue) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `<kind>:<part>/<part>`, each part percent-encoded outside `A-Z a-z 0-9 : . _ -`. An id of more than 255 bytes
/// is cut, and ends in the hash of the whole.
#[expect(clippy::expect_used, reason = "the text was built from the alphabet and within the length of an id")]
fn resource_id(kind: ResourceKind, path: &[impl AsRef<str>]) -> ResourceId {
    let mut id = format!("{}:", kind.as_str());
    for (at, part) in path.iter().enumerate() {
        if at > 0 {
            id.push('/');
        }
        for byte in part.as_ref().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b':' | b'.' | b'_' | b'-' => {
                    id.push(char::from(byte))
                }
                other => id.push_str(&format!("%{other:02X}")),
            }
        }
    }
    if id.len() > MAX_ID {
        let hash = xxh3_64(id.as_bytes());
        let mut end = MAX_ID - 17;
        if let Some(escape) = id[..end].rfind('%').filter(|at| end - at < 3) {
            end = escape;
        }
        id.truncate(end);
        id.push_str(&format!("-{hash:016x}"));
    }
    ResourceId::new(&id).expect("well-formed by construction")
}

fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The id of a series: xxh3-64 over its canonical form. That form is resource id, metric name, and each attribute
/// in key order as key, type and value; every text is led by its length (32 bits, little-endian), so that no two
/// series have the same form. Unit and kind are no part of it.
pub fn series_id(resource: &ResourceId, name: &str, attributes: &Attributes) -> SeriesId {
    SeriesId(hash(&[(b'r', resource.as_str()), (b'n', name)], attributes))
}

/// The hash of a set of attributes, for telling sets apart within one body.
pub(crate) fn attributes_hash(attributes: &Attributes) -> u64 {
    hash(&[], attributes)
}

fn hash(lead: &[(u8, &str)], attributes: &Attributes) -> u64 {
    let mut form = Vec::with_capacity(256);
    let mut text = |tag: u8, text: &str| {
        form.push(tag);
        form.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        form.extend_from_slice(text.as_bytes());
    };
    for (tag, part) in lead {
        text(*tag, part);
    }
    for (key, value) in attributes.iter() {
        text(b'k', key);
        match value {
            AttributeValue::Str(v) => text(b's', v),
            AttributeValue::Int(v) => text(b'i', &v.to_string()),
            AttributeValue::Float(v) => text(b'f', &v.to_string()),
            AttributeValue::Bool(v) => text(b'b', &v.to_string()),
        }
    }
    xxh3_64(&form)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use super::*;

    /// Attributes as `key=value` words, the expected id, name and instance.
    #[track_caller]
    fn check(given: &str, id: &str, name: &str, instance: &str) {
        let attributes = given.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
        let known = identify(attributes);
        assert_eq!(known.resource.id.as_str(), id, "{given}");
        assert_eq!(known.resource.name, name, "{given}");
        assert!(id.starts_with(known.resource.kind.as_str()));
        let told: Vec<_> = known.instance.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(told.join(" "), instance, "{given}");
    }

    #[test]
    fn the_rule_holds_row_by_row() {
        check("", "service:unknown", "unknown", "");
        check("service.name=orders", "service:orders", "orders", "");
        check("service.namespace=shop service.name=orders", "service:shop/orders", "shop/orders", "");
        check("service.name=unknown_service", "service:unknown", "unknown", "");
        check("service.name=unknown_service:python", "service:unknown:python", "unknown:python", "");
        check("service.name=unknown_services", "service:unknown_services", "unknown_services", "");
        check("service.namespace=a/b service.name=c", "service:a%2Fb/c", "a/b/c", "");
        check("service.name=ä%", "service:%C3%A4%25", "ä%", "");
        check("host.name=db-3", "host:db-3", "db-3", "");
        check("host.id=f00d", "host:f00d", "f00d", "");
        check("host.id=f00d host.name=db-3 os.type=linux", "host:db-3", "db-3", "");
        check("gen_ai.agent.id=asst_1 gen_ai.agent.name=refunds", "agent:asst_1", "refunds", "");
        check("gen_ai.agent.name=refunds service.name=desk", "agent:refunds", "refunds", "");
        check("gen_ai.engine.name=llama service.name=vllm", "engine:llama", "llama", "");
        check(
            "echobase.resource.kind=engine echobase.resource.name=gpu/llama",
            "engine:gpu/llama",
            "gpu/llama",
            "",
        );
        check("echobase.resource.name=billing service.name=x", "service:billing", "billing", "");
        check("echobase.resource.kind=process service.name=etl", "process:etl", "etl", "");
        check("echobase.resource.kind=nonsense service.name=etl", "service:etl", "etl", "");
        check("service.name=a service.instance.id=7 host.name=h", "service:a", "a", "service.instance.id=7");
        check("service.name=a k8s.pod.name=a-1 container.id=c", "service:a", "a", "k8s.pod.name=a-1");
        check("service.name=a host.name=h process.pid=9", "service:a", "a", "host.name=h process.pid=9");
        check("host.name=h process.pid=9", "host:h", "h", "");
        check("host.name=h service.instance.id=9", "host:h", "h", "service.instance.id=9");
    }

    #[test]
    fn a_resource_keeps_what_describes_it_and_loses_what_describes_an_instance() {
        let given = "service.name=a service.version=1 deployment.environment.name=prod cloud.region=eu \
            telemetry.sdk.name=otel process.command_line=x host.arch=arm os.type=linux k8s.pod.uid=u \
            k8s.namespace.name=n service.instance.id=i container.image.name=c";
        let known = identify(given.split_whitespace().map(|p| p.split_once('=').unwrap()).collect());
        let kept: Vec<_> = known.resource.attributes.iter().map(|(k, _)| k).collect();
        let expected = [
            "cloud.region",
            "deployment.environment.name",
            "k8s.namespace.name",
            "service.name",
            "service.version",
        ];
        assert_eq!(kept, expected);
        let host =
            identify([("host.name", "h"), ("os.type", "linux"), ("process.pid", "1")].into_iter().collect());
        assert_eq!(host.resource.attributes.len(), 2);
    }

    #[test]
    fn long_names_end_in_a_hash_and_stay_apart() {
        for filler in ["x", "ä", "/"] {
            let long = |last: &str| {
                identify([("service.name", filler.repeat(300) + last)].into_iter().collect()).resource.id
            };
            let (a, b) = (long("a"), long("b"));
            assert!(a != b && a.as_str().len() <= MAX_ID, "{a}");
            let escapes = a.as_str().split('%').skip(1);
            assert!(escapes.clone().all(|e| u8::from_str_radix(&e[..2], 16).is_ok()), "{a}");
        }
    }

    #[test]
    fn ids_are_read_back() {
        for id in ["service:shop/orders", "host:db-3", "agent:a%20b"] {
            let resource = of_id(&ResourceId::new(id).unwrap()).unwrap();
            assert_eq!(named(resource.kind, &resource.name, Attributes::new()).id.as_str(), id);
        }
        for id in ["orders", "planet:mars", "host:"] {
            assert_eq!(of_id(&ResourceId::new(id).unwrap()), None, "{id}");
        }
    }

    #[test]
    fn a_series_id_depends_on_all_of_its_form_and_never_changes() {
        let orders = ResourceId::new("service:orders").unwrap();
        let id =
            |name: &str, pairs: &[(&str, &str)]| series_id(&orders, name, &pairs.iter().copied().collect());
        let all = [
            id("m", &[]),
            id("m", &[("a", "b")]),
            id("m", &[("ab", "")]),
            id("m", &[("a", ""), ("b", "")]),
            id("ma", &[("", "b")]),
            series_id(&orders, "m", &[("a", 1_i64)].into_iter().collect()),
            series_id(&orders, "m", &[("a", "1")].into_iter().collect()),
            series_id(&ResourceId::new("service:order").unwrap(), "sm", &Attributes::new()),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(id("m", &[("a", "1"), ("b", "2")]), id("m", &[("b", "2"), ("a", "1")]));
        assert_eq!(id("m", &[("a", "1")]).to_string(), "40baa2bec7b07ccf");
    }
}
