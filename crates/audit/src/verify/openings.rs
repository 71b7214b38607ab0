//! Openings of sealed fields against their commitments and against the record of destroyed data keys.
//!
//! A line of `payloads.jsonl` is `{"seq":n,"field":"…","kid":"…","salt":"<64 hex>","value":"<hex>"}`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::report::{Code, Findings};
use super::walk::Walk;
use crate::hash::{self, Hash};

const PATH: &str = "payloads.jsonl";

#[derive(Deserialize)]
struct Opening {
    seq: u64,
    field: String,
    kid: String,
    salt: String,
    value: String,
}

pub(super) struct Openings;

impl Openings {
    /// Judges the file; the walk must have kept the sealed fields.
    pub(super) fn judge(file: &[u8], walk: &Walk, findings: &mut Findings) {
        let mut opened = BTreeSet::new();
        for (number, line) in (1_u64..).zip(file.split(|b| *b == b'\n').filter(|line| !line.is_empty())) {
            let opening = serde_json::from_slice::<Opening>(line).ok();
            let bytes = opening
                .as_ref()
                .and_then(|o| Some((*Hash::parse_hex(&o.salt)?.as_bytes(), hash::decode_hex(&o.value)?)));
            let (Some(opening), Some((salt, value))) = (opening, bytes) else {
                findings.file(Code::Commit, PATH, format!("line {number} is no opening"));
                continue;
            };
            let (seq, field) = (opening.seq, opening.field);
            if let Some(at) = walk.shredded(&opening.kid) {
                let detail =
                    format!("`{field}` still opens, its key `{}` was destroyed by {at}", opening.kid);
                findings.file_row(Code::NotShredded, PATH, (seq, seq), detail);
            }
            let key = (seq, field);
            match walk.sealed().get(&key) {
                None => {
                    let detail = format!("line {number}: entry {seq} has no sealed field `{}`", key.1);
                    findings.file_row(Code::Commit, PATH, (seq, seq), detail);
                }
                Some(sealed)
                    if sealed.kid != opening.kid || sealed.commitment != hash::commitment(&salt, &value) =>
                {
                    let detail = format!("line {number}: it does not open `{}`", key.1);
                    findings.file_row(Code::Commit, PATH, (seq, seq), detail);
                }
                Some(_) => {}
            }
            opened.insert(key);
        }
        for (key, sealed) in walk.sealed() {
            if !opened.contains(key) && walk.shredded(&sealed.kid).is_none() {
                let detail =
                    format!("`{}` has no opening, its key `{}` was not destroyed", key.1, sealed.kid);
                findings.file_row(Code::MissingOpening, PATH, (key.0, key.0), detail);
            }
        }
    }
}
