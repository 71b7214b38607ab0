//! The tamper table: each way to damage an export, and the codes that must be found – no more, no fewer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use echobase_types::ledger::{Actor, ActorKind, EntryDraft};
use echobase_types::{TenantId, Timestamp};

use super::*;
use crate::canonical::Value;
use crate::chain::{ChainHead, Extras};
use crate::entry::{Entry, Sealed};
use crate::export::{Export, flat_line};
use crate::hash::{self, Hash};
use crate::note::Signer;
use crate::tree::tests::Nodes;

const SIZE: usize = 600;
/// Sizes at which checkpoints were signed before the newest.
const SIGNED: [usize; 4] = [1, 100, 300, 550];
const RECEIPTS: [u64; 3] = [7, 301, 420];
const TRUSTED: usize = 550;

type Files = BTreeMap<String, Vec<u8>>;

/// A log and the export of it.
#[derive(Clone)]
struct Sample {
    entries: Vec<Vec<u8>>,
    files: Files,
}

fn signer() -> Signer {
    Signer::from_seed("ledger.example/t", [7; 32]).unwrap()
}

fn salt(seq: u64) -> [u8; 32] {
    *hash::leaf(&seq.to_le_bytes()).as_bytes()
}

fn draft(seq: u64) -> EntryDraft {
    let step = |verb: &str| {
        let id = format!("i{}", seq / 4);
        let actor = Actor { kind: ActorKind::User, id: "ana".to_owned() };
        EntryDraft::new(actor, &format!("intervention.{verb}"), "intervention", id)
            .fact("target", "service:a")
            .fact("digest", "d")
    };
    match seq {
        9 => EntryDraft::new(Actor::system("keys"), "crypto.shred", "key", "k8").fact("kid", "k8"),
        400 => step("propose").fact("risk", "low"),
        401 => step("validate"),
        402 => step("execute").fact("epoch", 3),
        403 => step("verify"),
        _ => EntryDraft::new(Actor::system("t"), "note.write", "note", seq).fact("text", "Grüße \u{1f600}"),
    }
}

fn extras(seq: u64) -> Extras {
    match seq {
        5 | 8 => {
            let sealed = Sealed::commit("name", &format!("k{seq}"), &salt(seq), b"Ana");
            Extras { sealed: vec![sealed], corrects: None }
        }
        11 => Extras { sealed: Vec::new(), corrects: Some(2) },
        _ => Extras::default(),
    }
}

fn opening(seq: u64, value: &str) -> String {
    let (salt, value): (String, String) =
        (Hash::from_bytes(salt(seq)).to_string(), value.bytes().map(|b| format!("{b:02x}")).collect());
    format!(r#"{{"seq":{seq},"field":"name","kid":"k{seq}","salt":"{salt}","value":"{value}"}}"#) + "\n"
}

fn leaves(entries: &[Vec<u8>]) -> Vec<Hash> {
    entries.iter().map(|e| hash::leaf(e)).collect()
}

fn checkpoint(entries: &[Vec<u8>], size: usize) -> Note {
    signer().checkpoint(size as u64, crate::tree::root(&leaves(&entries[..size]))).unwrap()
}

fn receipt(entries: &[Vec<u8>], index: u64, size: usize) -> Receipt {
    Receipt::new(leaves(entries).as_slice(), index, &checkpoint(entries, size)).unwrap()
}

/// The files of an export of these entries, signed anew.
fn export(entries: &[Vec<u8>]) -> Files {
    let (mut export, mut files) = (Export::default(), Files::new());
    let mut older = Vec::new();
    for entry in entries {
        if SIGNED.contains(&(export.size() as usize)) {
            older.push(signer().checkpoint(export.size(), export.root()).unwrap());
        }
        files.extend(export.push(entry).unwrap().into_iter().map(|f| (f.path, f.bytes)));
    }
    let newest = signer().checkpoint(export.size(), export.root()).unwrap();
    let nodes = Nodes::of(&leaves(entries));
    let receipts: Vec<_> = RECEIPTS
        .iter()
        .filter(|r| **r < export.size())
        .map(|r| Receipt::new(&nodes, *r, &newest).unwrap())
        .collect();
    files.extend(export.finish(&newest, &older, &receipts).into_iter().map(|f| (f.path, f.bytes)));
    files.insert("payloads.jsonl".to_owned(), opening(5, "Ana").into_bytes());
    files
}

fn sample() -> Sample {
    static SOUND: OnceLock<Sample> = OnceLock::new();
    let make = || {
        let mut head = ChainHead::new(TenantId::default_tenant());
        let entries: Vec<_> = (0..SIZE as u64)
            .map(|seq| {
                let now = Timestamp::from_secs(1_700_000_000 + seq as i64 / 3);
                head.append_with(&draft(seq), &extras(seq), now, |_, _, _| ()).unwrap().bytes
            })
            .collect();
        Sample { files: export(&entries), entries }
    };
    SOUND.get_or_init(make).clone()
}

impl Sample {
    /// Writes the entry bundles anew and leaves all else as it was.
    fn rebundle(&mut self) {
        self.files.retain(|path, _| !path.starts_with("tile/entries/"));
        for (index, entries) in (0..).zip(self.entries.chunks(WIDTH as usize)) {
            let mut bundle = Vec::new();
            entries.iter().for_each(|entry| tile::push_entry(&mut bundle, entry).unwrap());
            self.files.insert(tile::bundle_path(index, entries.len() as u64), bundle);
        }
    }

    /// Writes bundles and tiles anew and leaves what is signed as it was.
    fn rebuild(&mut self) {
        self.files.retain(|path, _| !path.starts_with("tile/"));
        self.files.extend(export(&self.entries).into_iter().filter(|(p, _)| p.starts_with("tile/")));
    }

    /// Changes an entry and writes it in canonical form.
    fn edit(&mut self, at: usize, change: impl FnOnce(&mut Entry)) {
        let mut entry = Entry::parse(&self.entries[at]).unwrap();
        change(&mut entry);
        self.entries[at] = entry.encode().unwrap();
    }

    /// Changes the text of an entry, whatever comes of it.
    fn write(&mut self, at: usize, from: &str, to: &str) {
        let text = String::from_utf8(self.entries[at].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed, "{from} is in {text}");
        self.entries[at] = changed.into_bytes();
    }

    /// Chains all entries behind `from` anew.
    fn rechain(&mut self, from: usize) {
        for at in from + 1..self.entries.len() {
            let prev = hash::leaf(&self.entries[at - 1]);
            self.edit(at, |entry| (entry.prev, entry.seq) = (prev, at as u64));
        }
    }

    fn patch(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.files.get_mut(path).unwrap_or_else(|| panic!("{path}")));
    }

    fn text(&mut self, path: &str, from: &str, to: &str) {
        self.patch(path, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from} is in {text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        });
    }
}

fn anchored() -> Trust {
    let sound = sample();
    Trust {
        keys: vec![signer().verifier_key()],
        trusted: vec![Trusted::Checkpoint(checkpoint(&sound.entries, TRUSTED))],
        witnesses: 0,
    }
}

fn bare() -> Trust {
    Trust { trusted: Vec::new(), ..anchored() }
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|f| f.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn find(report: &Report, code: Code) -> &Finding {
    report.findings.iter().find(|f| f.code == code).unwrap_or_else(|| panic!("{code:?} in {report:#?}"))
}

#[test]
fn a_sound_export_has_no_finding() {
    let sound = sample();
    let report = verify_export(&sound.files, &anchored()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.exit_code(), report.unanchored), (0, false));
    assert_eq!((report.entries, report.size, report.stored_checkpoints), (600, Some(600), 5));
    assert_eq!((report.receipts, report.trusted), (3, 1));
    assert_eq!(report.root, report.checkpoint.as_ref().map(|c| c.root.clone()));
    let unanchored = verify_export(&sound.files, &bare()).unwrap();
    assert_eq!((unanchored.exit_code(), unanchored.unanchored), (0, true));
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!((&json["ok"], &json["checkpoint"]["signature"]), (&true.into(), &"valid".into()));
}

#[test]
fn sound_exports_of_every_shape_have_no_finding() {
    let all = sample().entries;
    let keys = vec![signer().verifier_key()];
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513] {
        let mut files = export(&all[..size]);
        if size <= 9 {
            files.remove("payloads.jsonl");
        }
        let trust = Trust { keys: keys.clone(), ..Trust::default() };
        let report = verify_export(&files, &trust).unwrap();
        assert_eq!(report.findings, [], "{size}");
        assert_eq!(report.entries, size as u64);
    }
}

/// A way to damage an export, what must be found with a trusted checkpoint, and the row where it must be found.
type Case = (&'static str, fn(&mut Sample), &'static [&'static str], Option<(Code, u64)>);

const ROW: usize = 320;
const ROW_SEQ: u64 = 320;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("edit a row", |s| { s.edit(ROW, |e| e.resource_id = "x".into()); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_ROOT"], Some((Code::Leaf, ROW_SEQ))),
    ("edit the last row", |s| { s.edit(SIZE - 1, |e| e.resource_id = "x".into()); s.rebundle() },
        &["E_LEAF", "E_ROOT"], Some((Code::Leaf, 599))),
    ("edit a row and its tile", |s| { s.edit(ROW, |e| e.resource_id = "x".into()); s.rebuild() },
        &["E_CHAIN", "E_ROOT"], Some((Code::Chain, ROW_SEQ + 1))),
    ("edit a row and chain anew", |s| { s.edit(ROW, |e| e.resource_id = "x".into()); s.rechain(ROW); s.rebundle() },
        &["E_LEAF", "E_PROOF", "E_ROOT"], Some((Code::Leaf, ROW_SEQ))),
    ("rewrite a suffix with its tiles", |s| { s.edit(ROW, |e| e.resource_id = "x".into()); s.rechain(ROW); s.rebuild() },
        &["E_PROOF", "E_ROOT"], Some((Code::Root, 300))),
    ("rewrite a suffix and sign it anew", |s| {
        s.edit(ROW, |e| e.resource_id = "x".into()); s.rechain(ROW); s.rebuild();
        s.files.insert("checkpoint".into(), checkpoint(&s.entries, SIZE).to_string().into_bytes());
    }, &["E_FORK", "E_PROOF", "E_ROOT"], Some((Code::Root, 300))),
    ("rewrite a suffix, all checkpoints and receipts", |s| {
        s.edit(ROW, |e| e.resource_id = "x".into()); s.rechain(ROW); s.files = export(&s.entries);
    }, &["E_FORK", "E_ROOT"], Some((Code::Root, 300))),
    ("rewrite a suffix and sign it with another key", |s| {
        s.edit(ROW, |e| e.resource_id = "x".into()); s.rechain(ROW); s.rebuild();
        let root = crate::tree::root(&leaves(&s.entries));
        let note = Signer::from_seed("ledger.example/t", [8; 32]).unwrap().checkpoint(600, root).unwrap();
        s.files.insert("checkpoint".into(), note.to_string().into_bytes());
        s.files.retain(|p, _| !p.starts_with("checkpoints") && !p.starts_with("proofs"));
    }, &["E_ROOT", "E_SIG"], Some((Code::Root, 0))),
    ("delete a row", |s| { s.entries.remove(ROW); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_PROOF", "E_ROOT", "E_SEQ", "E_TRUNCATED"], Some((Code::Seq, ROW_SEQ))),
    ("delete a row from its bundle alone", |s| {
        s.patch("tile/entries/001", |b| {
            let kept: Vec<Vec<u8>> = tile::entries(b).map(|e| e.unwrap().to_vec()).collect();
            b.clear();
            for (n, entry) in kept.iter().enumerate() {
                if n != 64 { tile::push_entry(b, entry).unwrap(); }
            }
        });
    }, &["E_CHAIN", "E_LEAF", "E_MISSING", "E_PROOF", "E_ROOT", "E_SEQ"], Some((Code::Seq, ROW_SEQ))),
    ("swap two rows", |s| { s.entries.swap(ROW, ROW + 1); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_ROOT", "E_SEQ", "E_TIME"], Some((Code::Seq, ROW_SEQ))),
    ("write a row twice", |s| { let e = s.entries[ROW].clone(); s.entries.insert(ROW, e); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_PROOF", "E_ROOT", "E_SEQ", "E_UNSIGNED_TAIL"], Some((Code::Chain, ROW_SEQ + 1))),
    ("number a row wrongly", |s| { s.edit(ROW, |e| e.seq = 5); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_ROOT", "E_SEQ"], Some((Code::Seq, ROW_SEQ))),
    ("cut the tail of the bundles", |s| { s.entries.truncate(590); s.rebundle() },
        &["E_TRUNCATED"], Some((Code::Truncated, 590))),
    ("cut the tail and its tiles", |s| { s.entries.truncate(590); s.rebuild() },
        &["E_TRUNCATED"], Some((Code::Truncated, 590))),
    ("cut the tail and sign the rest", |s| {
        s.entries.truncate(500); s.files = export(&s.entries);
    }, &["E_TRUNCATED"], Some((Code::Truncated, 500))),
    ("bring back an old checkpoint", |s| {
        s.files.insert("checkpoint".into(), checkpoint(&s.entries, 300).to_string().into_bytes());
        s.files.remove("checkpoints.jsonl"); s.files.retain(|p, _| !p.starts_with("proofs"));
    }, &["E_UNSIGNED_TAIL"], Some((Code::UnsignedTail, 550))),
    ("append rows that nobody signed", |s| {
        s.files = export(&s.entries);
        let newest = checkpoint(&s.entries, 590);
        s.files.insert("checkpoint".into(), newest.to_string().into_bytes());
        s.files.remove("checkpoints.jsonl"); s.files.retain(|p, _| !p.starts_with("proofs"));
    }, &["E_UNSIGNED_TAIL"], Some((Code::UnsignedTail, 590))),
    ("another spelling", |s| { s.write(ROW, "\"v\":1", "\"v\": 1"); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_NONCANONICAL", "E_ROOT"], Some((Code::NonCanonical, ROW_SEQ))),
    ("bytes that are no UTF-8", |s| { s.entries[ROW][12] = 0xff; s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_NONCANONICAL", "E_ROOT"], Some((Code::NonCanonical, ROW_SEQ))),
    ("an unknown member", |s| { s.write(ROW, "\"v\":1", "\"v\":1,\"w\":1"); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_ROOT", "E_SCHEMA"], Some((Code::Schema, ROW_SEQ))),
    ("a member of another type", |s| { s.write(ROW, "\"seq\":320", "\"seq\":\"320\""); s.rebundle() },
        &["E_CHAIN", "E_LEAF", "E_ROOT", "E_SCHEMA"], Some((Code::Schema, ROW_SEQ))),
    ("time back, signed so", |s| {
        s.edit(ROW, |e| e.ts = Timestamp::EPOCH); s.rechain(ROW); s.files = export(&s.entries);
    }, &["E_FORK", "E_ROOT", "E_TIME"], Some((Code::Time, ROW_SEQ))),
    ("another tenant, signed so", |s| {
        s.edit(ROW, |e| e.tenant = "other".into()); s.rechain(ROW); s.files = export(&s.entries);
    }, &["E_FORK", "E_ROOT", "E_TENANT"], Some((Code::Tenant, ROW_SEQ))),
    ("correct a later row, signed so", |s| {
        s.edit(ROW, |e| e.corrects = Some(321)); s.rechain(ROW); s.files = export(&s.entries);
    }, &["E_CORRECTS", "E_FORK", "E_ROOT"], Some((Code::Corrects, ROW_SEQ))),
    ("first row with a predecessor, signed so", |s| {
        s.edit(0, |e| e.prev = hash::leaf(b"")); s.rechain(0); s.files = export(&s.entries);
    }, &["E_CHAIN", "E_FORK", "E_ROOT"], Some((Code::Chain, 0))),
    ("damage a level-0 tile", |s| s.patch("tile/0/000", |b| b[40] ^= 1),
        &["E_LEAF", "E_TILE"], Some((Code::Tile, 1))),
    ("damage a level-1 tile", |s| s.patch("tile/1/000.p/2", |b| b[40] ^= 1), &["E_TILE"], None),
    ("shorten a tile", |s| s.patch("tile/0/001", |b| b.truncate(100)), &["E_TILE"], None),
    ("remove a tile", |s| { s.files.remove("tile/0/001"); }, &["E_MISSING"], None),
    ("remove a partial tile", |s| { s.files.remove("tile/0/002.p/88"); }, &["E_MISSING"], None),
    ("remove a level-1 tile", |s| { s.files.remove("tile/1/000.p/2"); }, &["E_MISSING"], None),
    ("remove a bundle", |s| { s.files.remove("tile/entries/001"); },
        &["E_MISSING"], None),
    ("remove a bundle and its tile", |s| { s.files.remove("tile/entries/001"); s.files.remove("tile/0/001"); },
        &["E_MISSING"], None),
    ("remove the last bundle", |s| { s.files.remove("tile/entries/002.p/88"); },
        &["E_MISSING", "E_TRUNCATED"], Some((Code::Truncated, 512))),
    ("remove the checkpoint", |s| { s.files.remove("checkpoint"); }, &["E_MISSING"], None),
    ("cut a bundle", |s| s.patch("tile/entries/002.p/88", |b| b.truncate(b.len() - 3)),
        &["E_MISSING", "E_SCHEMA", "E_TRUNCATED"], Some((Code::Truncated, 599))),
    ("damage the signature", |s| s.patch("checkpoint", |b| { let at = b.len() - 12; b[at] = if b[at] == b'A' { b'B' } else { b'A' } }),
        &["E_SIG"], None),
    ("raise the size of the checkpoint", |s| s.text("checkpoint", "\n600\n", "\n601\n"), &["E_SIG"], None),
    ("checkpoint that is no note", |s| s.patch("checkpoint", |b| *b = b"hello\n".to_vec()), &["E_SIG"], None),
    ("checkpoint of another log", |s| {
        let note = Signer::from_seed("ledger.example/u", [7; 32]).unwrap();
        let mut note = note.checkpoint(600, crate::tree::root(&leaves(&s.entries))).unwrap();
        signer().add_to(&mut note);
        s.files.insert("checkpoint".into(), note.to_string().into_bytes());
    }, &["E_SIG"], None),
    ("two roots of one size", |s| {
        let other = signer().checkpoint(550, hash::leaf(b"x")).unwrap();
        let lines = [checkpoint(&s.entries, 550), other].iter().map(crate::export::checkpoint_line).collect::<String>();
        s.files.insert("checkpoints.jsonl".into(), lines.into_bytes());
    }, &["E_FORK", "E_ROOT"], None),
    ("a checkpoint of a size never reached", |s| {
        let line = crate::export::checkpoint_line(&signer().checkpoint(700, hash::leaf(b"x")).unwrap());
        s.patch("checkpoints.jsonl", |b| b.extend_from_slice(line.as_bytes()));
    }, &["E_TRUNCATED"], Some((Code::Truncated, 600))),
    ("checkpoints out of order", |s| {
        let lines = [300, 100].map(|n| crate::export::checkpoint_line(&checkpoint(&s.entries, n))).concat();
        s.files.insert("checkpoints.jsonl".into(), lines.into_bytes());
    }, &["E_SCHEMA"], None),
    ("a line of checkpoints that is no JSON", |s| s.patch("checkpoints.jsonl", |b| b.extend_from_slice(b"{\n")),
        &["E_SCHEMA"], None),
    ("a false old checkpoint", |s| s.text("checkpoints.jsonl", "\\n100\\n", "\\n101\\n"), &["E_SIG"], None),
    ("damage the path of a receipt", |s| {
        let good = receipt(&s.entries, 420, SIZE);
        let bad = Receipt { path: good.path.iter().rev().copied().collect(), ..good };
        s.files.insert("proofs/420.tlog-proof".into(), bad.to_text().into_bytes());
    }, &["E_PROOF"], Some((Code::Proof, 420))),
    ("a receipt under another number", |s| {
        let text = s.files.remove("proofs/420.tlog-proof").unwrap();
        s.files.insert("proofs/421.tlog-proof".into(), text);
    }, &["E_PROOF"], None),
    ("a receipt that is none", |s| s.patch("proofs/7.tlog-proof", Vec::clear), &["E_PROOF"], None),
    ("a receipt under a false checkpoint", |s| s.text("proofs/7.tlog-proof", "\n600\n", "\n599\n"), &["E_PROOF"], None),
    ("an opening of another value", |s| s.patch("payloads.jsonl", |b| *b = opening(5, "Bea").into_bytes()),
        &["E_COMMIT"], Some((Code::Commit, 5))),
    ("an opening of nothing", |s| s.patch("payloads.jsonl", |b| b.extend(opening(6, "Ana").bytes())),
        &["E_COMMIT"], Some((Code::Commit, 6))),
    ("an opening that is none", |s| s.patch("payloads.jsonl", |b| b.extend(b"{}\n")), &["E_COMMIT"], None),
    ("remove an opening", |s| s.patch("payloads.jsonl", Vec::clear),
        &["E_MISSING_OPENING"], Some((Code::MissingOpening, 5))),
    ("keep an opening after its key was destroyed", |s| s.patch("payloads.jsonl", |b| b.extend(opening(8, "Ana").bytes())),
        &["E_NOT_SHREDDED"], Some((Code::NotShredded, 8))),
    ("execute something else, signed so", |s| {
        s.edit(402, |e| { e.data.insert("digest".into(), Value::Text("x".into())); });
        s.rechain(402); s.files = export(&s.entries);
    }, &["E_FORK", "E_ROOT", "S_DIGEST"], Some((Code::Digest, 402))),
    ("execute twice, signed so", |s| {
        let twice = Entry::parse(&s.entries[402]).unwrap();
        s.edit(403, |e| { e.action = twice.action; e.data = twice.data; });
        s.rechain(402); s.files = export(&s.entries);
    }, &["E_FORK", "E_ROOT", "S_EXECUTE_TWICE"], Some((Code::ExecuteTwice, 403))),
];

#[test]
fn each_way_to_damage_an_export_is_found_by_name_and_place() {
    let (sound, trust) = (sample(), anchored());
    let mut seen = BTreeSet::new();
    for (name, tamper, want, place) in CASES {
        let mut sample = sound.clone();
        tamper(&mut sample);
        let report = verify_export(&sample.files, &trust).unwrap();
        assert_eq!(codes(&report), *want, "{name}: {:#?}", report.findings);
        assert_eq!(report.exit_code(), 1, "{name}");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert!(want.iter().all(|code| json["counts"][code].as_u64() > Some(0)), "{name}: {json}");
        if let Some((code, seq)) = place {
            assert_eq!(find(&report, *code).seq, Some(*seq), "{name}: {:#?}", report.findings);
        }
        seen.extend(want.iter().copied());
    }
    let unseen: Vec<_> =
        Code::ALL.iter().map(|c| c.as_str()).filter(|c| c.starts_with("E_") && !seen.contains(c)).collect();
    assert!(unseen.is_empty(), "no case for {unseen:?}");
}

#[test]
fn what_only_a_trusted_copy_shows_is_called_unanchored_without_it() {
    for name in ["cut the tail and sign the rest", "rewrite a suffix, all checkpoints and receipts"] {
        let (_, tamper, ..) = CASES.iter().find(|c| c.0 == name).unwrap();
        let mut sample = sample();
        tamper(&mut sample);
        let report = verify_export(&sample.files, &bare()).unwrap();
        assert_eq!((codes(&report), report.unanchored), (vec![], true), "{name}");
    }
}

#[test]
fn a_clients_receipt_shows_the_row_that_was_rewritten() {
    let sound = sample();
    let trusted = vec![Trusted::parse(&receipt(&sound.entries, 320, 550).to_text()).unwrap()];
    let trust = Trust { trusted, ..bare() };
    assert_eq!(verify_export(&sound.files, &trust).unwrap().exit_code(), 0);
    let mut forged = sound;
    forged.edit(ROW, |e| e.resource_id = "x".into());
    forged.rechain(ROW);
    forged.files = export(&forged.entries);
    let report = verify_export(&forged.files, &trust).unwrap();
    assert_eq!(codes(&report), ["E_FORK", "E_PROOF", "E_ROOT"]);
    assert_eq!(find(&report, Code::Proof).seq, Some(ROW_SEQ));
    let root = find(&report, Code::Root);
    assert_eq!(
        (root.seq, root.last_seq),
        (Some(300), Some(549)),
        "between the checkpoints of 300 and 550 entries"
    );
}

#[test]
fn a_trusted_copy_that_is_false_or_of_another_log_does_not_anchor() {
    let sound = sample();
    let stranger = Signer::from_seed("ledger.example/t", [8; 32]).unwrap().checkpoint(1, Hash::ZERO).unwrap();
    let other = Signer::from_seed("ledger.example/u", [7; 32]).unwrap();
    let elsewhere = other.checkpoint(1, Hash::ZERO).unwrap();
    for note in [stranger, elsewhere] {
        let keys = vec![signer().verifier_key(), other.verifier_key()];
        let trust = Trust { keys, trusted: vec![Trusted::Checkpoint(note)], witnesses: 0 };
        let report = verify_export(&sound.files, &trust).unwrap();
        assert_eq!((codes(&report), report.unanchored), (vec!["E_SIG"], true));
    }
}

#[test]
fn witnesses_are_counted() {
    let mut sample = sample();
    let witness = Signer::from_seed("w.example", [9; 32]).unwrap();
    let keys = vec![signer().verifier_key(), witness.witness_key()];
    let mut newest = checkpoint(&sample.entries, SIZE);
    for (cosigned, asked, want) in [(0, 0, 0), (0, 1, 1), (1, 1, 0), (1, 2, 1)] {
        if cosigned == 1 {
            witness.cosign(&mut newest, 1_700_000_000);
        }
        sample.files.insert("checkpoint".into(), newest.to_string().into_bytes());
        let trust = Trust { keys: keys.clone(), trusted: Vec::new(), witnesses: asked };
        let report = verify_export(&sample.files, &trust).unwrap();
        assert_eq!(report.exit_code(), want, "{cosigned} of {asked}");
    }
}

#[test]
fn without_a_key_the_report_says_that_signatures_were_not_checked() {
    let report = verify_export(&sample().files, &Trust::default()).unwrap();
    assert_eq!(report.exit_code(), 0);
    assert_eq!(report.checkpoint.unwrap().signature, SignatureState::Unchecked);
}

#[test]
fn what_is_no_export_cannot_be_judged() {
    assert!(verify_export(&Files::new(), &bare()).is_err());
    assert!(verify_export(&Files::from([("readme".to_owned(), Vec::new())]), &bare()).is_err());
}

fn flat(entries: &[Vec<u8>], piece: usize, trust: &Trust) -> Report {
    let bytes: Vec<u8> = entries.iter().flat_map(|e| flat_line(e)).collect();
    let mut verifier = FlatVerifier::new(trust);
    bytes.chunks(piece).for_each(|piece| verifier.push(piece));
    verifier.finish()
}

#[test]
fn the_flat_form_is_judged_alike_in_pieces_of_any_size() {
    let sound = sample();
    for piece in [7, 4096, 1 << 20] {
        let report = flat(&sound.entries, piece, &anchored());
        assert_eq!((report.findings.len(), report.entries), (0, 600), "{piece}");
    }
    let reports = [3, 1 << 20].map(|piece| {
        let mut forged = sound.clone();
        forged.edit(ROW, |e| e.resource_id = "x".into());
        flat(&forged.entries, piece, &anchored())
    });
    assert_eq!(reports[0], reports[1]);
    assert_eq!(codes(&reports[0]), ["E_CHAIN", "E_ROOT"]);
}

#[test]
fn damage_to_the_flat_form_is_found() {
    let sound = sample();
    type Damage = fn(&mut Vec<Vec<u8>>);
    let cases: [(Damage, &[&str]); 6] = [
        (|e| drop(e.remove(ROW)), &["E_CHAIN", "E_ROOT", "E_SEQ"]),
        (|e| e.swap(ROW, ROW + 1), &["E_CHAIN", "E_ROOT", "E_SEQ", "E_TIME"]),
        (|e| e.truncate(500), &["E_TRUNCATED"]),
        (|e| e.insert(ROW, Vec::new()), &["E_CHAIN", "E_NONCANONICAL", "E_ROOT", "E_SEQ"]),
        (|e| e[ROW].push(b'\r'), &["E_CHAIN", "E_NONCANONICAL", "E_ROOT"]),
        (|e| e[ROW] = vec![b'x'; 70_000], &["E_CHAIN", "E_ROOT", "E_SCHEMA"]),
    ];
    for (n, (damage, want)) in cases.into_iter().enumerate() {
        let mut entries = sound.entries.clone();
        damage(&mut entries);
        let report = flat(&entries, 4096, &anchored());
        assert_eq!(codes(&report), want, "{n}: {:#?}", report.findings);
    }
}

/// A small generator with a printed seed (SplitMix64), so that a failure can be repeated.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Any flipped bit, lost or doubled byte in any file but comments on it is found, whatever the seed.
#[test]
fn any_damaged_byte_of_any_file_is_found() {
    // A smaller log, so that a thousand of them are judged in a second.
    let entries: Vec<_> = sample().entries.into_iter().take(20).collect();
    let (files, keys) = (export(&entries), vec![signer().verifier_key()]);
    let paths: Vec<_> = files.keys().cloned().collect();
    let trust = Trust { keys, ..Trust::default() };
    assert_eq!(verify_export(&files, &trust).unwrap().findings, []);
    for seed in 0..1000 {
        let mut random = Seeded(seed);
        let mut damaged = files.clone();
        let path = &paths[random.below(paths.len())];
        let bytes = damaged.get_mut(path).unwrap();
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, bytes[at]),
        }
        // Damage that leaves the bytes as they mean, such as a doubled line end in JSON lines, is none.
        let harmless = path.ends_with(".jsonl")
            && bytes
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .eq(files[path].split(|b| *b == b'\n').filter(|l| !l.is_empty()));
        let report = verify_export(&damaged, &trust).unwrap();
        assert_eq!(report.exit_code(), u8::from(!harmless), "seed {seed}: {path} at {at}");
    }
}
