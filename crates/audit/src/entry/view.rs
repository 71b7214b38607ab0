//! An entry as it lies in its bytes, read without copying: what the verifier walks over.

use std::borrow::Cow;

use echobase_types::Timestamp;
use echobase_types::ledger::{Actor, ActorKind, Outcome};

use super::{Entry, EntryError, MAX_BYTES, Sealed, VERB_RULE, is_verb};
use crate::canonical::{NonCanonical, Object, Reader, Value};
use crate::hash::Hash;
use crate::instant;

/// A checked entry that borrows from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// Its place.
    pub seq: u64,
    /// Leaf hash of the entry before.
    pub prev: Hash,
    /// When.
    pub ts: Timestamp,
    /// Whose log it is.
    pub tenant: Cow<'a, str>,
    /// What sort of actor.
    pub actor_kind: ActorKind,
    /// Which actor.
    pub actor_id: Cow<'a, str>,
    /// What was done.
    pub action: Cow<'a, str>,
    /// What sort of thing it was done to.
    pub resource_type: Cow<'a, str>,
    /// Its id.
    pub resource_id: Cow<'a, str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Facts, checked but not decoded.
    pub data: RawObject<'a>,
    /// Commitments to sensitive facts.
    pub sealed: Vec<Sealed>,
    /// The earlier entry that this one compensates for.
    pub corrects: Option<u64>,
}

/// The bytes of an object that was checked to be canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawObject<'a>(&'a str);

/// A member of a [`RawObject`] that is a text or a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
}

impl<'a> RawObject<'a> {
    /// Decodes it.
    pub fn to_object(self) -> Object {
        match Value::parse(self.0.as_bytes()) {
            Ok(Value::Object(members)) => members,
            // Unreachable by construction: only `EntryView::parse` makes this type, after the same check.
            _ => Object::new(),
        }
    }

    /// Tells of each member that is a text or a whole number, in order.
    pub fn scalars(self, mut each: impl FnMut(Cow<'a, str>, Scalar<'a>)) {
        // The bytes were checked, so reading them again ends in no error.
        let _ = self.read_scalars(&mut each);
    }

    fn read_scalars(self, each: &mut impl FnMut(Cow<'a, str>, Scalar<'a>)) -> Result<(), NonCanonical> {
        let mut reader = Reader::of_checked(self.0);
        reader.expect(b'{', "an object must begin")?;
        let mut last = None;
        while let Some(name) = reader.name(&mut last)? {
            match reader.peek() {
                Some(b'"') => each(name, Scalar::Text(reader.string()?)),
                Some(b'-' | b'0'..=b'9') => each(name, Scalar::Integer(reader.integer()?)),
                _ => reader.skip(1)?,
            }
        }
        Ok(())
    }
}

const ACTORS: [ActorKind; 5] =
    [ActorKind::User, ActorKind::Service, ActorKind::Agent, ActorKind::Controller, ActorKind::System];
const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Deny, Outcome::Error];

/// What was read so far; a member that is there but wrong is kept as the first fault.
#[derive(Default)]
struct Draft<'a> {
    fault: Option<EntryError>,
    version: Option<i64>,
    seq: Option<u64>,
    prev: Option<Hash>,
    ts: Option<Timestamp>,
    tenant: Option<Cow<'a, str>>,
    actor: Option<(Cow<'a, str>, Cow<'a, str>)>,
    action: Option<Cow<'a, str>>,
    resource: Option<(Cow<'a, str>, Cow<'a, str>)>,
    outcome: Option<Outcome>,
    data: Option<RawObject<'a>>,
    sealed: Vec<Sealed>,
    corrects: Option<u64>,
}

type Read<T> = Result<T, EntryError>;

impl<'a> EntryView<'a> {
    /// Reads canonical bytes; [`EntryError::NonCanonical`] goes before [`EntryError::Schema`].
    pub fn parse(bytes: &'a [u8]) -> Read<Self> {
        if bytes.len() > MAX_BYTES {
            return Err(EntryError::TooLong { bytes: bytes.len() });
        }
        let mut reader = Reader::new(bytes)?;
        if reader.peek() != Some(b'{') {
            reader.skip(0)?;
            reader.end()?;
            return Err(EntryError::schema("", "an entry must be an object"));
        }
        reader.expect(b'{', "an object must begin")?;
        let (mut draft, mut last) = (Draft::default(), None);
        while let Some(name) = reader.name(&mut last)? {
            draft.member(&name, &mut reader)?;
        }
        reader.end()?;
        draft.finish()
    }

    /// Copies it out of its bytes.
    pub fn to_entry(&self) -> Entry {
        Entry {
            seq: self.seq,
            prev: self.prev,
            ts: self.ts,
            tenant: self.tenant.clone().into_owned(),
            actor: Actor { kind: self.actor_kind, id: self.actor_id.clone().into_owned() },
            action: self.action.clone().into_owned(),
            resource_type: self.resource_type.clone().into_owned(),
            resource_id: self.resource_id.clone().into_owned(),
            outcome: self.outcome,
            data: self.data.to_object(),
            sealed: self.sealed.clone(),
            corrects: self.corrects,
        }
    }
}

impl<'a> Draft<'a> {
    fn fault(&mut self, member: &str, detail: &'static str) {
        self.fault.get_or_insert_with(|| EntryError::schema(member, detail));
    }

    fn member(&mut self, name: &str, reader: &mut Reader<'a>) -> Read<()> {
        match name {
            "action" => self.action = self.text(name, reader)?,
            "actor" => self.actor = self.pair(name, reader)?,
            "corrects" => self.corrects = self.natural(name, reader)?,
            "data" => self.data = self.object(name, reader)?,
            "outcome" => {
                let word = self.text(name, reader)?;
                self.outcome = OUTCOMES.into_iter().find(|o| word.as_deref() == Some(o.as_str()));
                if self.outcome.is_none() {
                    self.fault(name, "it must be ok, deny or error");
                }
            }
            "prev" => {
                let word = self.text(name, reader)?;
                self.prev = word.as_deref().and_then(Hash::parse_hex);
                if self.prev.is_none() {
                    self.fault(name, "it must be 64 lower-case hex digits");
                }
            }
            "resource" => self.resource = self.pair(name, reader)?,
            "sealed" => self.sealed(reader)?,
            "seq" => self.seq = self.natural(name, reader)?,
            "tenant" => self.tenant = self.text(name, reader)?,
            "ts" => {
                let word = self.text(name, reader)?;
                self.ts = word.as_deref().and_then(instant::parse);
                if self.ts.is_none() {
                    self.fault(name, "it must be a time as YYYY-MM-DDTHH:MM:SS.ffffffZ");
                }
            }
            "v" => {
                let version = self.natural(name, reader)?;
                self.version = version.and_then(|v| i64::try_from(v).ok());
                if version.is_some_and(|v| v != 1) {
                    self.fault(name, "only version 1 is known");
                }
            }
            other => {
                self.fault(other, "this member is unknown");
                reader.skip(1)?;
            }
        }
        Ok(())
    }

    fn text(&mut self, member: &str, reader: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
        if reader.peek() != Some(b'"') {
            self.fault(member, "it must be a string");
            reader.skip(1)?;
            return Ok(None);
        }
        let text = reader.string()?;
        if text.is_empty() {
            self.fault(member, "it must not be empty");
        }
        Ok(Some(text))
    }

    fn natural(&mut self, member: &str, reader: &mut Reader<'a>) -> Read<Option<u64>> {
        let number = match reader.peek() {
            Some(b'-' | b'0'..=b'9') => u64::try_from(reader.integer()?).ok(),
            _ => {
                reader.skip(1)?;
                None
            }
        };
        if number.is_none() {
            self.fault(member, "it must be a whole number from 0");
        }
        Ok(number)
    }

    fn object(&mut self, member: &str, reader: &mut Reader<'a>) -> Read<Option<RawObject<'a>>> {
        let from = reader.position();
        let is_object = reader.peek() == Some(b'{');
        reader.skip(1)?;
        if !is_object {
            self.fault(member, "it must be an object");
            return Ok(None);
        }
        Ok(Some(RawObject(reader.since(from))))
    }

    /// `{"id": …, "type": …}`.
    fn pair(&mut self, member: &str, reader: &mut Reader<'a>) -> Read<Option<(Cow<'a, str>, Cow<'a, str>)>> {
        const RULE: &str = "it must be an object of `id` and `type`";
        if reader.peek() != Some(b'{') {
            self.fault(member, RULE);
            reader.skip(1)?;
            return Ok(None);
        }
        reader.take(b'{');
        let (mut id, mut kind, mut last) = (None, None, None);
        while let Some(name) = reader.name(&mut last)? {
            match &*name {
                "id" => id = self.text(member, reader)?,
                "type" => kind = self.text(member, reader)?,
                _ => {
                    self.fault(member, RULE);
                    reader.skip(2)?;
                }
            }
        }
        if id.is_none() || kind.is_none() {
            self.fault(member, RULE);
        }
        Ok(id.zip(kind))
    }

    fn sealed(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        if reader.peek() != Some(b'[') {
            self.fault("sealed", "it must be an array");
            return Ok(reader.skip(1)?);
        }
        reader.take(b'[');
        let mut first = true;
        while reader.item(&mut first)? {
            match Sealed::from_value(&reader.value(2)?) {
                Some(item) => self.sealed.push(item),
                None => self.fault("sealed", "each item must be an object of `c`, `field` and `kid`"),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Read<EntryView<'a>> {
        let action = self.action.take();
        if action.as_deref().is_some_and(|a| !is_verb(a)) {
            self.fault("action", VERB_RULE);
        }
        let actor = self.actor.take().map(|(id, kind)| (id, ACTORS.into_iter().find(|k| k.as_str() == kind)));
        if matches!(actor, Some((_, None))) {
            self.fault("actor.type", "it must be user, service, agent, controller or system");
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let missing = |member| EntryError::schema(member, "it is missing");
        self.version.ok_or_else(|| missing("v"))?;
        let (actor_id, actor_kind) = actor.ok_or_else(|| missing("actor"))?;
        let (resource_id, resource_type) = self.resource.ok_or_else(|| missing("resource"))?;
        Ok(EntryView {
            seq: self.seq.ok_or_else(|| missing("seq"))?,
            prev: self.prev.ok_or_else(|| missing("prev"))?,
            ts: self.ts.ok_or_else(|| missing("ts"))?,
            tenant: self.tenant.ok_or_else(|| missing("tenant"))?,
            actor_kind: actor_kind.ok_or_else(|| missing("actor.type"))?,
            actor_id,
            action: action.ok_or_else(|| missing("action"))?,
            resource_type,
            resource_id,
            outcome: self.outcome.ok_or_else(|| missing("outcome"))?,
            data: self.data.ok_or_else(|| missing("data"))?,
            sealed: self.sealed,
            corrects: self.corrects,
        })
    }
}

impl Sealed {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Object(members) = value else { return None };
        let text = |name: &str| members.get(name)?.as_text().filter(|t| !t.is_empty()).map(str::to_owned);
        (members.len() == 3).then_some(())?;
        Some(Self {
            field: text("field")?,
            kid: text("kid")?,
            commitment: members.get("c")?.as_text().and_then(Hash::parse_hex)?,
        })
    }
}
