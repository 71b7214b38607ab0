//! What a supervised process must not forget when Echobase ends: one small file, written whole.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use echobase_types::intervention::StepReceipt;
use serde_json::{Value, json};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

/// Steps that are remembered.
const KEPT: usize = 64;

/// The memory of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Instances as configured when this was written: a changed configuration wins over what was scaled.
    pub configured: u32,
    /// Instances there should be.
    pub wanted: u32,
    /// One more with each intended change.
    pub generation: u64,
    /// The largest fencing number seen.
    pub epoch: u64,
    /// Instances that were started: process id with its start time, so that a reused id is not taken for it.
    pub children: Vec<(u32, String)>,
    /// Steps, oldest first.
    pub steps: VecDeque<Noted>,
}

/// A step that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Its idempotency key.
    pub key: String,
    /// What undoes it.
    pub receipt: StepReceipt,
    /// Whether it was brought to its end.
    pub done: bool,
}

impl Memory {
    /// Notes that a step begins.
    pub(super) fn begin(&mut self, key: &str, receipt: StepReceipt) {
        self.steps.retain(|s| s.key != key);
        self.steps.push_back(Noted { key: key.to_owned(), receipt, done: false });
        while self.steps.len() > KEPT {
            self.steps.pop_front();
        }
    }

    /// Notes that a step has ended well.
    pub(super) fn end(&mut self, key: &str) {
        for step in self.steps.iter_mut().filter(|s| s.key == key) {
            step.done = true;
        }
    }

    /// What is known of a step.
    pub(super) fn step(&self, key: &str) -> Option<&Noted> {
        self.steps.iter().find(|s| s.key == key)
    }

    /// Reads the file; an absent or damaged one reads as `None`.
    pub(super) async fn load(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).await.ok()?;
        Self::read(&serde_json::from_str(&text).ok()?)
    }

    fn read(v: &Value) -> Option<Self> {
        let small = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let child = |v: &Value| Some((small(&v["pid"])?, text(&v["started"])?));
        let step = |v: &Value| {
            let receipt = StepReceipt {
                step: small(&v["step"])?,
                summary: text(&v["summary"])?,
                undo: text(&v["undo"])?,
                output: String::new(),
            };
            Some(Noted { key: text(&v["key"])?, receipt, done: v["done"].as_bool()? })
        };
        Some(Self {
            configured: small(&v["configured"])?,
            wanted: small(&v["wanted"])?,
            generation: v["generation"].as_u64()?,
            epoch: v["epoch"].as_u64()?,
            children: v["children"].as_array()?.iter().filter_map(child).collect(),
            steps: v["steps"].as_array()?.iter().filter_map(step).collect(),
        })
    }

    /// Writes the file whole: after a crash the old or the new one is there.
    pub(super) async fn save(&self, path: &Path) -> io::Result<()> {
        let children: Vec<Value> =
            self.children.iter().map(|(pid, started)| json!({ "pid": pid, "started": started })).collect();
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|s| {
                let r = &s.receipt;
                json!({ "key": s.key, "step": r.step, "summary": r.summary, "undo": r.undo, "done": s.done })
            })
            .collect();
        let body = json!({
            "configured": self.configured,
            "wanted": self.wanted,
            "generation": self.generation,
            "epoch": self.epoch,
            "children": children,
            "steps": steps,
        });
        let new: PathBuf = path.with_extension("new");
        let mut file = fs::File::create(&new).await?;
        file.write_all(body.to_string().as_bytes()).await?;
        file.sync_all().await?;
        fs::rename(&new, path).await
    }
}

/// The start time of a process as the system counts it; `None` if there is none, or where `/proc` is absent.
pub(super) async fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).await.ok()?;
    // The name in brackets may hold anything; after it come fields 3 and on, and the start time is field 22.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if state == "Z" { None } else { fields.nth(18).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[tokio::test]
    async fn memory_reads_back_and_damage_reads_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.json");
        assert_eq!(Memory::load(&path).await, None);
        let mut memory = Memory { configured: 1, wanted: 2, generation: 3, epoch: 4, ..Memory::default() };
        memory.children.push((77, "123".to_owned()));
        let receipt = StepReceipt {
            step: 1,
            summary: "s".to_owned(),
            undo: "{\"to\":1}".to_owned(),
            output: String::new(),
        };
        memory.begin("a/0", receipt.clone());
        memory.begin("b/1", receipt);
        memory.end("a/0");
        memory.save(&path).await.unwrap();
        let read = Memory::load(&path).await.unwrap();
        assert_eq!(read, memory);
        assert!(read.step("a/0").unwrap().done && !read.step("b/1").unwrap().done);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Memory::load(&path).await, None);
    }

    #[tokio::test]
    async fn this_process_has_a_start_time_and_an_unused_id_has_none() {
        assert!(start_time(std::process::id()).await.is_some());
        assert_eq!(start_time(u32::MAX).await, None);
    }
}
