//! The flat form: one entry per line, its checkpoints only those that the verifier brings along.

use super::Trust;
use super::anchor::Anchors;
use super::report::{Findings, Report};
use super::walk::{AskedFor, Walk};
use crate::entry::MAX_BYTES;

/// Judges a flat export as its bytes come in, in pieces of any size.
///
/// ```
/// use echobase_audit::{FlatVerifier, Trust};
/// let mut verifier = FlatVerifier::new(&Trust::default());
/// verifier.push(b"{}\n");
/// assert_eq!(verifier.finish().exit_code(), 1);
/// ```
pub struct FlatVerifier {
    anchors: Anchors,
    walk: Walk,
    findings: Findings,
    line: Vec<u8>,
}

impl FlatVerifier {
    /// Begins with an empty log.
    pub fn new(trust: &Trust) -> Self {
        let (mut anchors, mut findings) = (Anchors::new(trust), Findings::default());
        anchors.take_trusted(trust, &mut findings);
        anchors.settle(&mut findings);
        let walk = Walk::new(anchors.sizes(), anchors.indexes(), AskedFor::No);
        Self { anchors, walk, findings, line: Vec::new() }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|b| *b == b'\n');
        // What follows the last line end is the beginning of the next line.
        let mut piece = pieces.next().unwrap_or_default();
        for next in pieces {
            if self.line.is_empty() {
                self.walk.entry(piece, &mut self.findings);
            } else {
                self.keep(piece);
                let line = std::mem::take(&mut self.line);
                self.walk.entry(&line, &mut self.findings);
            }
            piece = next;
        }
        self.keep(piece);
    }

    /// Keeps no more of a line than it takes to see that it is too long.
    fn keep(&mut self, piece: &[u8]) {
        let room = (MAX_BYTES + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// The verdict.
    pub fn finish(mut self) -> Report {
        if !self.line.is_empty() {
            self.walk.entry(&self.line, &mut self.findings);
        }
        self.anchors.judge(&self.walk, &mut self.findings);
        Report::new(&self.walk, &self.anchors, self.findings)
    }
}
