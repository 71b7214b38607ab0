//! One line of events, read straight into a log record.

use std::fmt;

use echobase_types::signal::LogRecord;
use echobase_types::{AttributeValue, Attributes, Timestamp};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::epoch::Epoch;
use crate::intake::{Refusal, malformed, shown};
use crate::severity;

/// An event as it stands on its line.
pub(super) struct Event {
    pub(super) record: LogRecord,
    pub(super) time: Option<Timestamp>,
    pub(super) owner: Owner,
    /// The first member whose value cannot be what it must be.
    pub(super) fault: Option<Refusal>,
}

/// Whose event it is.
#[derive(Default)]
pub(super) enum Owner {
    #[default]
    Unsaid,
    Attributes(Attributes),
    Id(String),
}

/// The message of a JSON error without the position, which is told apart.
pub(super) fn detail(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]).to_owned()
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Event, A::Error> {
        let record = LogRecord {
            resource: 0,
            time: Timestamp::EPOCH,
            severity: 0,
            event_name: String::new(),
            body: String::new(),
            trace_id: String::new(),
            span_id: String::new(),
            attributes: Attributes::new(),
        };
        let mut event = Event { record, time: None, owner: Owner::Unsaid, fault: None };
        while let Some(key) = members.next_key::<Key>()? {
            let outcome = match key {
                Key::Time => time(members.next_value()?).map(|time| event.time = time),
                Key::Name => text("name", members.next_value()?).map(|text| event.record.event_name = text),
                Key::Severity => event.set_severity(members.next_value()?),
                Key::Body => {
                    let value: Member = members.next_value()?;
                    event.record.body = value.0.map(|value| value.to_string()).unwrap_or_default();
                    Ok(())
                }
                Key::Resource => {
                    let value: OwnerMember = members.next_value()?;
                    if !matches!(event.owner, Owner::Id(_)) {
                        event.owner = value.0;
                    }
                    Ok(())
                }
                Key::ResourceId => {
                    text("resource_id", members.next_value()?).map(|text| event.owner = Owner::Id(text))
                }
                Key::TraceId => {
                    id("trace_id", members.next_value()?, 32).map(|id| event.record.trace_id = id)
                }
                Key::SpanId => id("span_id", members.next_value()?, 16).map(|id| event.record.span_id = id),
                Key::Attributes => {
                    let more: Option<Members> = members.next_value()?;
                    for (key, value) in more.into_iter().flat_map(|more| more.0) {
                        event.record.attributes.insert(key, value);
                    }
                    Ok(())
                }
                Key::Other(key) => {
                    if let Member(Some(value)) = members.next_value()? {
                        event.record.attributes.insert(key, value);
                    }
                    Ok(())
                }
            };
            if let Err(refusal) = outcome {
                event.fault.get_or_insert(refusal);
            }
        }
        Ok(event)
    }
}

impl Event {
    fn set_severity(&mut self, value: Member) -> Result<(), Refusal> {
        match value.0 {
            None => {}
            Some(AttributeValue::Int(number)) if (0..=24).contains(&number) => {
                self.record.severity = number as u8
            }
            Some(AttributeValue::Str(word)) => match severity::parse(&word) {
                Some(number) => self.record.severity = number,
                None => self.record.attributes.insert("severity_text", word),
            },
            Some(other) => {
                let other = shown(&other.to_string());
                return Err(malformed(format!("severity is `{other}`, but must be a word or 0 to 24")));
            }
        }
        Ok(())
    }
}

fn time(value: Member) -> Result<Option<Timestamp>, Refusal> {
    let time = match &value.0 {
        None => return Ok(None),
        Some(AttributeValue::Int(number)) => Some(Epoch::Guess.of_whole(*number)),
        Some(AttributeValue::Float(number)) => Epoch::Guess.of_number(*number),
        Some(AttributeValue::Str(text)) => text.parse().ok(),
        Some(AttributeValue::Bool(_)) => None,
    };
    let told = || value.0.as_ref().map(ToString::to_string).unwrap_or_default();
    let refusal = || {
        malformed(format!("time is `{}`, but must be RFC 3339 with an offset, or a number", shown(&told())))
    };
    time.map(Some).ok_or_else(refusal)
}

fn text(what: &str, value: Member) -> Result<String, Refusal> {
    match value.0 {
        None => Ok(String::new()),
        Some(AttributeValue::Str(text)) => Ok(text),
        Some(other) => {
            Err(malformed(format!("{what} is `{}`, but must be a text", shown(&other.to_string()))))
        }
    }
}

fn id(what: &str, value: Member, digits: usize) -> Result<String, Refusal> {
    let mut text = text(what, value)?;
    let is_id = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id && !text.is_empty() {
        return Err(malformed(format!(
            "{what} is `{}`, but must be {digits} hexadecimal digits",
            shown(&text)
        )));
    }
    text.make_ascii_lowercase();
    Ok(text)
}

enum Key {
    Time,
    Name,
    Severity,
    Body,
    Resource,
    ResourceId,
    TraceId,
    SpanId,
    Attributes,
    Other(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        Ok(match text {
            "time" | "timestamp" => Key::Time,
            "name" | "event_name" => Key::Name,
            "severity" | "level" => Key::Severity,
            "body" | "message" => Key::Body,
            "resource" => Key::Resource,
            "resource_id" => Key::ResourceId,
            "trace_id" => Key::TraceId,
            "span_id" => Key::SpanId,
            "attributes" => Key::Attributes,
            other => Key::Other(other.to_owned()),
        })
    }
}

/// The value of a member; `None` for `null`.
struct Member(Option<AttributeValue>);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Member, E> {
        Ok(Member(Some(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Member, E> {
        Ok(Member(Some(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Member, E> {
        Ok(Member(Some(i64::try_from(value).map_or_else(|_| (value as f64).into(), AttributeValue::Int))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Member, E> {
        Ok(Member(Some(value.into())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Member, E> {
        Ok(Member(Some(value.into())))
    }

    fn visit_string<E>(self, value: String) -> Result<Member, E> {
        Ok(Member(Some(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Member, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(items))?;
        Ok(Member(Some(value.to_string().into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Member, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Member(Some(value.to_string().into())))
    }
}

/// The members of an object; those that are `null` are left out.
struct Members(Vec<(String, AttributeValue)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        let mut all = Vec::new();
        while let Some((key, Member(value))) = members.next_entry::<String, Member>()? {
            all.extend(value.map(|value| (key, value)));
        }
        Ok(Members(all))
    }
}

/// `resource`: attributes, an id as text, or `null`.
struct OwnerMember(Owner);

impl<'de> Deserialize<'de> for OwnerMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OwnerVisitor)
    }
}

struct OwnerVisitor;

impl<'de> Visitor<'de> for OwnerVisitor {
    type Value = OwnerMember;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("resource attributes as a JSON object, or a resource id as text")
    }

    fn visit_unit<E>(self) -> Result<OwnerMember, E> {
        Ok(OwnerMember(Owner::Unsaid))
    }

    fn visit_str<E>(self, text: &str) -> Result<OwnerMember, E> {
        Ok(OwnerMember(Owner::Id(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<OwnerMember, A::Error> {
        let Members(all) = MembersVisitor.visit_map(members)?;
        Ok(OwnerMember(Owner::Attributes(all.into_iter().collect())))
    }
}
