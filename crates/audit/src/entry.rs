//! One entry of the ledger: its decoded form, its canonical bytes, and the check that bytes are such a form.

mod view;

use echobase_types::ledger::{Actor, EntryDraft, Outcome};
use echobase_types::{ErrorKind, TenantId, Timestamp};

use crate::canonical::{self, NonCanonical, Object, OutOfRange, Value};
use crate::hash::{self, Hash};
use crate::instant;

pub use view::{EntryView, RawObject, Scalar};

/// Most bytes of an entry: its length must fit the 16 bits that an entry bundle gives it.
pub const MAX_BYTES: usize = 65_535;

/// A fact that is kept outside the ledger, encrypted; only a salted commitment to it is in the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which fact.
    pub field: String,
    /// The data key that value and salt are encrypted under.
    pub kid: String,
    /// [`hash::commitment`] of salt and value.
    pub commitment: Hash,
}

impl Sealed {
    /// Commits to `value` under a salt that the caller drew at random.
    pub fn commit(field: &str, kid: &str, salt: &[u8; 32], value: &[u8]) -> Self {
        Self { field: field.to_owned(), kid: kid.to_owned(), commitment: hash::commitment(salt, value) }
    }
}

/// A decoded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: 0, 1, 2, …; also its leaf index.
    pub seq: u64,
    /// Leaf hash of the entry before; [`Hash::ZERO`] for the first.
    pub prev: Hash,
    /// When; never before the entry before.
    pub ts: Timestamp,
    /// Whose log it is.
    pub tenant: String,
    /// Who.
    pub actor: Actor,
    /// A dotted verb such as `intervention.approve`.
    pub action: String,
    /// What sort of thing it was done to.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Non-sensitive facts.
    pub data: Object,
    /// Commitments to sensitive facts.
    pub sealed: Vec<Sealed>,
    /// The earlier entry that this one compensates for.
    pub corrects: Option<u64>,
}

/// An entry could not be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes are not in canonical form.
    #[error("read entry")]
    NonCanonical(#[from] NonCanonical),
    /// A member is missing, unknown, of another type or outside its range.
    #[error("check entry member `{member}`: {detail}")]
    Schema {
        /// The member; `data.x` for a fact.
        member: String,
        /// The rule that is broken.
        detail: &'static str,
    },
    /// More than [`MAX_BYTES`].
    #[error("encode entry: {bytes} bytes are more than {MAX_BYTES}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
}

impl EntryError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NonCanonical(_) | Self::Schema { .. } => ErrorKind::Invalid,
            Self::TooLong { .. } => ErrorKind::TooLarge,
        }
    }

    pub(crate) fn schema(member: &str, detail: &'static str) -> Self {
        Self::Schema { member: member.to_owned(), detail }
    }
}

impl Entry {
    /// Gives a draft its place in a tenant's log. Refuses facts that have no canonical form and words that break
    /// the rules of the format.
    pub fn from_draft(
        draft: &EntryDraft,
        seq: u64,
        prev: Hash,
        ts: Timestamp,
        tenant: &TenantId,
    ) -> Result<Self, EntryError> {
        let entry = Self {
            seq,
            prev,
            ts,
            tenant: tenant.as_str().to_owned(),
            actor: draft.actor.clone(),
            action: draft.action.clone(),
            resource_type: draft.resource_type.clone(),
            resource_id: draft.resource_id.clone(),
            outcome: draft.outcome,
            data: draft.data.iter().map(|(name, fact)| (name.clone(), Value::from(fact))).collect(),
            sealed: Vec::new(),
            corrects: None,
        };
        entry.check()?;
        Ok(entry)
    }

    /// Reads canonical bytes and refuses all others.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        Ok(EntryView::parse(bytes)?.to_entry())
    }

    /// The canonical bytes, whose hash is the leaf.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let ts = instant::format(self.ts)
            .ok_or_else(|| EntryError::schema("ts", "the year must lie within 0001 and 9999"))?;
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"{\"action\":");
        canonical::write_text(&mut out, &self.action);
        write_pair(&mut out, b",\"actor\":{\"id\":", &self.actor.id, self.actor.kind.as_str());
        if let Some(seq) = self.corrects {
            write_number(&mut out, b",\"corrects\":", "corrects", seq)?;
        }
        out.extend_from_slice(b",\"data\":");
        canonical::write_object(&mut out, &self.data)
            .map_err(|OutOfRange(_)| EntryError::schema("data", "an integer must lie within ±(2^53-1)"))?;
        out.extend_from_slice(b",\"outcome\":");
        canonical::write_text(&mut out, self.outcome.as_str());
        out.extend_from_slice(b",\"prev\":\"");
        self.prev.push_hex(&mut out);
        write_pair(&mut out, b"\",\"resource\":{\"id\":", &self.resource_id, &self.resource_type);
        out.extend_from_slice(b",\"sealed\":[");
        for (at, sealed) in self.sealed.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"c\":\"" } else { b",{\"c\":\"" });
            sealed.commitment.push_hex(&mut out);
            out.extend_from_slice(b"\",\"field\":");
            canonical::write_text(&mut out, &sealed.field);
            out.extend_from_slice(b",\"kid\":");
            canonical::write_text(&mut out, &sealed.kid);
            out.push(b'}');
        }
        write_number(&mut out, b"],\"seq\":", "seq", self.seq)?;
        out.extend_from_slice(b",\"tenant\":");
        canonical::write_text(&mut out, &self.tenant);
        out.extend_from_slice(b",\"ts\":");
        canonical::write_text(&mut out, &ts);
        out.extend_from_slice(b",\"v\":1}");
        if out.len() > MAX_BYTES {
            return Err(EntryError::TooLong { bytes: out.len() });
        }
        Ok(out)
    }

    /// The rules that a value of this type can still break.
    fn check(&self) -> Result<(), EntryError> {
        let texts = [
            ("tenant", &self.tenant),
            ("actor.id", &self.actor.id),
            ("resource.type", &self.resource_type),
            ("resource.id", &self.resource_id),
        ];
        if let Some((member, _)) = texts.iter().find(|(_, text)| text.is_empty()) {
            return Err(EntryError::schema(member, "it must not be empty"));
        }
        if !is_verb(&self.action) {
            return Err(EntryError::schema("action", VERB_RULE));
        }
        if self.sealed.iter().any(|s| s.field.is_empty() || s.kid.is_empty()) {
            return Err(EntryError::schema("sealed", "field and kid must not be empty"));
        }
        Ok(())
    }
}

const VERB_RULE: &str = "it must be words of a-z, 0-9, `_` and `-` with dots between";

fn is_verb(text: &str) -> bool {
    text.split('.').all(|word| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    })
}

fn write_pair(out: &mut Vec<u8>, begin: &[u8], id: &str, kind: &str) {
    out.extend_from_slice(begin);
    canonical::write_text(out, id);
    out.extend_from_slice(b",\"type\":");
    canonical::write_text(out, kind);
    out.push(b'}');
}

fn write_number(
    out: &mut Vec<u8>,
    begin: &[u8],
    member: &'static str,
    number: u64,
) -> Result<(), EntryError> {
    out.extend_from_slice(begin);
    i64::try_from(number)
        .ok()
        .and_then(|number| canonical::write_integer(out, number).ok())
        .ok_or_else(|| EntryError::schema(member, "it must be below 2^53"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
    use echobase_types::ledger::Fact;
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Entry {
        let draft = EntryDraft::new(Actor::controller(), "intervention.execute", "intervention", "i-1")
            .fact("digest", "ab")
            .fact("epoch", 7)
            .fact("dry", false)
            .fact("why", Fact::List(vec!["cpu".to_owned(), "a\"b".to_owned()]));
        let ts = Timestamp::from_micros(1_700_000_000_123_456);
        Entry::from_draft(&draft, 41, hash::leaf(b""), ts, &TenantId::default_tenant()).unwrap()
    }

    #[test]
    fn an_entry_is_written_in_one_form() {
        let mut entry = sample();
        entry.sealed.push(Sealed::commit("reason", "k1", &[9; 32], b"because"));
        entry.corrects = Some(3);
        let bytes = entry.encode().unwrap();
        expect![[r#"{"action":"intervention.execute","actor":{"id":"controller","type":"controller"},"corrects":3,"data":{"digest":"ab","dry":false,"epoch":7,"why":["cpu","a\"b"]},"outcome":"ok","prev":"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d","resource":{"id":"i-1","type":"intervention"},"sealed":[{"c":"5aa75dfb0b0f6c94b478c8d89ed9c1f1f37234539f7ffa66b911753cb8709bd1","field":"reason","kid":"k1"}],"seq":41,"tenant":"default","ts":"2023-11-14T22:13:20.123456Z","v":1}"#]]
            .assert_eq(std::str::from_utf8(&bytes).unwrap());
        assert_eq!(Entry::parse(&bytes).unwrap(), entry);
        assert!(matches!(Value::parse(&bytes), Ok(Value::Object(_))), "the general reader agrees");
    }

    #[test]
    fn damaged_members_are_named() {
        let good = String::from_utf8(sample().encode().unwrap()).unwrap();
        for (from, to, member) in [
            ("\"v\":1", "\"v\":2", "v"),
            (",\"v\":1", "", "v"),
            ("\"v\":1", "\"v\":1,\"w\":1", "w"),
            ("\"seq\":41", "\"seq\":-1", "seq"),
            ("\"seq\":41", "\"seq\":\"41\"", "seq"),
            ("\"tenant\":\"default\"", "\"tenant\":\"\"", "tenant"),
            ("\"type\":\"controller\"", "\"type\":\"robot\"", "actor.type"),
            ("\"outcome\":\"ok\"", "\"outcome\":\"fine\"", "outcome"),
            ("\"prev\":\"6e", "\"prev\":\"6E", "prev"),
            ("22:13:20.123456Z", "22:13:20Z", "ts"),
            ("\"data\":{", "\"data\":[],\"data2\":{", "data"),
            ("intervention.execute", "Intervention Execute", "action"),
            ("\"action\":\"intervention.execute\",", "", "action"),
            ("\"sealed\":[]", "\"sealed\":[1]", "sealed"),
            ("\"sealed\":[]", "\"sealed\":[{\"c\":\"00\",\"field\":\"f\",\"kid\":\"k\"}]", "sealed"),
            (",\"data\":{", ",\"corrects\":-3,\"data\":{", "corrects"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            match Entry::parse(bad.as_bytes()) {
                Err(EntryError::Schema { member: got, .. }) => assert_eq!(got, member, "{to}"),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn another_spelling_of_the_same_entry_is_refused() {
        let good = String::from_utf8(sample().encode().unwrap()).unwrap();
        for (from, to) in [
            (":", ": "),
            ("\"epoch\":7", "\"epoch\":7.0"),
            ("\"epoch\":7", "\"epoch\":null"),
            ("\"dry\"", "\"\\u0064ry\""),
            ("{\"action\"", "{\"z\":1,\"action\""),
            ("\"v\":1}", "\"v\":1}\n"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(matches!(Entry::parse(bad.as_bytes()), Err(EntryError::NonCanonical(_))), "{to}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_before_it_has_a_place() {
        let place = |draft: &EntryDraft| {
            Entry::from_draft(draft, 0, Hash::ZERO, Timestamp::EPOCH, &TenantId::default_tenant())
                .and_then(|entry| entry.encode())
        };
        let draft = || EntryDraft::new(Actor::system("t"), "a.b", "r", "1");
        assert!(place(&draft()).is_ok());
        for bad in [
            draft().fact("n", i64::MAX),
            EntryDraft { action: String::new(), ..draft() },
            EntryDraft { action: "a..b".to_owned(), ..draft() },
            EntryDraft { resource_id: String::new(), ..draft() },
        ] {
            assert!(matches!(place(&bad), Err(EntryError::Schema { .. })), "{bad:?}");
        }
        let long = draft().fact("text", "x".repeat(MAX_BYTES));
        assert!(matches!(place(&long), Err(EntryError::TooLong { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_draft_reads_back(
            id in "\\PC{1,20}",
            facts in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5),
            micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
            seq in 0_u64..(1 << 53),
        ) {
            let mut draft = EntryDraft::new(Actor::system("p"), "a.b", "r", id);
            draft.data = facts.into_iter().map(|(k, v)| (k, Fact::Text(v))).collect();
            let ts = Timestamp::from_micros(micros);
            let entry =
                Entry::from_draft(&draft, seq, Hash::ZERO, ts, &TenantId::default_tenant()).unwrap();
            prop_assert_eq!(Entry::parse(&entry.encode().unwrap()).unwrap(), entry);
        }

        #[test]
        fn one_flipped_bit_never_reads_as_the_same_entry(at in 0_usize..400, bit in 0_u8..8) {
            let mut bytes = sample().encode().unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(entry) = Entry::parse(&bytes) {
                prop_assert_ne!(&entry, &sample());
                prop_assert_eq!(entry.encode().unwrap(), bytes);
            }
        }
    }
}
