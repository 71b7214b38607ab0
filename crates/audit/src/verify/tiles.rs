//! Tiles against entries and against each other.

use std::collections::BTreeMap;

use super::report::{Code, Findings};
use super::walk::Walk;
use super::{ExportFiles, Unreadable};
use crate::hash::Hash;
use crate::tile::{self, WIDTH};
use crate::tree::fold;

/// Files under `prefix` by index, each with the greatest width there is.
pub(super) fn positions(files: &impl ExportFiles, prefix: &str) -> Result<BTreeMap<u64, u64>, Unreadable> {
    let mut found = BTreeMap::new();
    for path in files.list(prefix)? {
        if let Some((index, width)) = path.strip_prefix(prefix).and_then(tile::parse_position) {
            let widest: &mut u64 = found.entry(index).or_default();
            *widest = width.max(*widest);
        }
    }
    Ok(found)
}

/// A tile that disagrees with the entries.
struct Disputed {
    path: String,
    first: u64,
    last: u64,
}

/// Follows the entries tile by tile.
pub(super) struct TileCheck<'f, F> {
    files: &'f F,
    /// Per level: the files there are, hashes expected in the open tile, hashes seen at the level in all.
    levels: Vec<Level>,
    disputed: Vec<Disputed>,
}

struct Level {
    present: BTreeMap<u64, u64>,
    open: Vec<Hash>,
    closed: u64,
}

impl<'f, F: ExportFiles> TileCheck<'f, F> {
    pub(super) fn new(files: &'f F) -> Result<Self, Unreadable> {
        let levels = (0..8)
            .map(|level| {
                let present = positions(files, &format!("tile/{level}/"))?;
                Ok(Level { present, open: Vec::new(), closed: 0 })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { files, levels, disputed: Vec::new() })
    }

    /// Takes the leaf hash of the next entry.
    pub(super) fn leaf(&mut self, leaf: Hash, findings: &mut Findings) -> Result<(), Unreadable> {
        self.push(0, leaf, findings)
    }

    /// Takes the hashes of a tile that is there in place of entries that are not, from the next place up to `until`.
    pub(super) fn bridge(
        &mut self,
        walk: &mut Walk,
        until: u64,
        findings: &mut Findings,
    ) -> Result<(), Unreadable> {
        let from = walk.index();
        let (index, skip) = (from / WIDTH, (from % WIDTH) as usize);
        let known = self.read(0, index, WIDTH, findings)?;
        let bridge = known.as_ref().and_then(|hashes| hashes.get(skip..(until - index * WIDTH) as usize));
        match bridge {
            Some(hashes) => {
                for hash in hashes {
                    self.push(0, *hash, findings)?;
                }
            }
            None => {
                // Nothing can be said of this tile and of those above it.
                self.levels[0].open.clear();
                self.levels[0].closed = until / WIDTH;
                self.levels.truncate(1);
            }
        }
        walk.gap(bridge, until);
        Ok(())
    }

    fn push(&mut self, level: usize, hash: Hash, findings: &mut Findings) -> Result<(), Unreadable> {
        let Some(here) = self.levels.get_mut(level) else { return Ok(()) };
        here.open.push(hash);
        if here.open.len() as u64 == WIDTH {
            let root = self.compare(level, WIDTH, findings)?;
            let here = &mut self.levels[level];
            here.open.clear();
            here.closed += 1;
            if let Some(root) = root {
                self.push(level + 1, root, findings)?;
            }
        }
        Ok(())
    }

    /// The hashes of a tile file, at least `needed` of them; a fault is noted and gives `None`.
    fn read(
        &self,
        level: usize,
        index: u64,
        needed: u64,
        findings: &mut Findings,
    ) -> Result<Option<Vec<Hash>>, Unreadable> {
        let width = self.levels.get(level).and_then(|l| l.present.get(&index)).copied().unwrap_or(0);
        if width < needed {
            if needed > 0 {
                let path = tile::tile_path(level as u8, index, needed);
                findings.file(Code::Missing, &path, "this tile is missing".to_owned());
            }
            if width == 0 {
                return Ok(None);
            }
        }
        let path = tile::tile_path(level as u8, index, width);
        let Some(bytes) = self.files.read(&path)? else {
            return Err(Unreadable { path, detail: "it was listed and is gone".to_owned() });
        };
        let hashes = tile::decode_tile(&bytes).filter(|hashes| hashes.len() as u64 == width);
        if hashes.is_none() {
            findings.file(Code::Tile, &path, format!("{} bytes are not {width} hashes", bytes.len()));
        }
        Ok(hashes)
    }

    /// Compares the open tile of a level with its file, which must have `needed` hashes. Returns the root of the
    /// tile if it is full: that of the file where there is one, so that each tile is judged by the tile below it.
    fn compare(
        &mut self,
        level: usize,
        needed: u64,
        findings: &mut Findings,
    ) -> Result<Option<Hash>, Unreadable> {
        let index = self.levels[level].closed;
        let file = self.read(level, index, needed, findings)?;
        let open = &self.levels[level].open;
        let Some(file) = file else { return Ok(full_root(open)) };
        let path = tile::tile_path(level as u8, index, file.len() as u64);
        let differ: Vec<u64> =
            (0..).zip(open.iter().zip(&file)).filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
        let begin = index * WIDTH;
        if let (Some(first), Some(last)) = (differ.first(), differ.last()) {
            if level == 0 {
                self.disputed.push(Disputed { path, first: begin + first, last: begin + last });
            } else {
                let detail = format!("hash {first} is not that of the tile below it");
                findings.file(Code::Tile, &path, detail);
            }
        }
        if level == 0 {
            for n in differ {
                let (Some(is), Some(said)) = (open.get(n as usize), file.get(n as usize)) else { continue };
                findings.row(
                    Code::Leaf,
                    begin + n,
                    format!("the entry hashes to {is}, its tile says {said}"),
                );
            }
            if file.len() > open.len() {
                let (first, last) = (begin + open.len() as u64, begin + file.len() as u64 - 1);
                findings.rows(Code::Truncated, first, last, "a tile knows of them".to_owned());
                return Ok(None);
            }
        }
        Ok(full_root(&file))
    }

    /// Compares what is left in the open tiles. Checkpoints ask for tiles of `required` leaves; of entries behind
    /// them tiles may know or not.
    pub(super) fn finish(&mut self, required: u64, findings: &mut Findings) -> Result<(), Unreadable> {
        for level in 0..self.levels.len() {
            let Some(here) = self.levels.get(level) else { break };
            let (closed, open) = (here.closed, here.open.len() as u64);
            if open > 0 {
                let wanted = tile::hashes_at(level as u8, required).saturating_sub(closed * WIDTH);
                self.compare(level, wanted.min(open), findings)?;
            }
            if level == 0 {
                let beyond = closed + u64::from(open > 0);
                let here = &self.levels[level];
                if let Some((last, width)) = here.present.range(beyond..).next_back() {
                    let (first, last) = (closed * WIDTH + open, last * WIDTH + width - 1);
                    findings.rows(Code::Truncated, first, last, "tiles know of them".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Where the entries have the root of a signed checkpoint of `confirmed` entries, a tile that disagrees with
    /// them is what is wrong.
    pub(super) fn blame(&self, confirmed: u64, findings: &mut Findings) {
        for tile in self.disputed.iter().filter(|tile| tile.last < confirmed) {
            let detail = "a signed checkpoint confirms the entries, not this tile".to_owned();
            findings.file_row(Code::Tile, &tile.path, (tile.first, tile.last), detail);
        }
    }
}

fn full_root(hashes: &[Hash]) -> Option<Hash> {
    if hashes.len() as u64 == WIDTH { fold(hashes) } else { None }
}
