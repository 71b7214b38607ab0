//! Tiles and entry bundles of C2SP *tlog-tiles*: height 8, 256 hashes or entries each, a shorter one at the right edge.

use echobase_types::ErrorKind;

use crate::hash::Hash;
use crate::tree::{NodeSource, fold};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// Path of a file that holds `width` (1..=256) hashes of level `level`, such as `tile/0/x001/x234/067.p/5`.
pub fn tile_path(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", position(index, width))
}

/// Path of a file that holds `width` (1..=256) entries.
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", position(index, width))
}

fn position(index: u64, width: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH {
        text.push_str(&format!(".p/{width}"));
    }
    text
}

/// Reads index and width back from the part of a path after `tile/<level>/`; `None` if no such path exists.
pub fn parse_position(text: &str) -> Option<(u64, u64)> {
    let (index, width) = match text.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok().filter(|w| (1..WIDTH).contains(w))?),
        None => (text, WIDTH),
    };
    let mut sum: u64 = 0;
    for part in index.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        sum = sum.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    // One spelling only: no needless `x000`, no missing `x`, no leading zero in the width.
    (position(sum, width) == text).then_some((sum, width))
}

/// Hashes at `level` of a tree of `size` leaves: floor(size / 256^level).
pub const fn hashes_at(level: u8, size: u64) -> u64 {
    match size.checked_shr(8 * level as u32) {
        Some(hashes) => hashes,
        None => 0,
    }
}

/// All tiles of a tree of `size` leaves as (level, index, width).
pub fn tiles(size: u64) -> impl Iterator<Item = (u8, u64, u64)> {
    (0..8).flat_map(move |level| {
        let hashes = hashes_at(level, size);
        (0..hashes.div_ceil(WIDTH)).map(move |index| (level, index, (hashes - index * WIDTH).min(WIDTH)))
    })
}

/// Bytes of a tile.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Hashes of a tile; `None` unless the bytes are 1 to 256 whole hashes.
pub fn decode_tile(bytes: &[u8]) -> Option<Vec<Hash>> {
    let fits = !bytes.is_empty() && bytes.len().is_multiple_of(32) && bytes.len() <= 32 * WIDTH as usize;
    fits.then(|| bytes.chunks_exact(32).filter_map(Hash::from_slice).collect())
}

/// An entry is longer than its 16-bit length can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bundle entry: {0} bytes do not fit a 16-bit length")]
pub struct EntryTooLong(pub usize);

impl EntryTooLong {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::TooLarge
    }
}

/// Appends one entry to the bytes of a bundle.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle, in order. An `Err` is the position where a length or an entry is cut short.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bundle.get(at..).filter(|rest| !rest.is_empty())?;
        let cut = at;
        let entry = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))));
        at = entry.map_or(bundle.len(), |entry| at + 2 + entry.len());
        Some(entry.ok_or(cut))
    })
}

/// Reads tree nodes from tiles: a proof in a log of any size reads at most two tiles per level.
pub struct TileNodes<F> {
    size: u64,
    read: F,
}

impl<F: Fn(u8, u64, u64) -> Option<Vec<Hash>>> TileNodes<F> {
    /// `read(level, index, width)` gives the hashes of a tile of the tree of `size` leaves; it may give more than
    /// `width` hashes.
    pub const fn new(size: u64, read: F) -> Self {
        Self { size, read }
    }
}

impl<F: Fn(u8, u64, u64) -> Option<Vec<Hash>>> NodeSource for TileNodes<F> {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        let (level, inner) = (height / 8, height % 8);
        let first = index.checked_shl(u32::from(inner))?;
        let (tile, offset) = (first / WIDTH, (first % WIDTH) as usize);
        let width = hashes_at(level, self.size).checked_sub(tile * WIDTH)?.min(WIDTH);
        let hashes = (self.read)(level, tile, width)?;
        fold(hashes.get(offset..offset + (1 << inner))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::hash;
    use crate::tree::{self, consistency_proof, inclusion_proof, root_at, verify_inclusion};

    #[test]
    fn paths_are_those_of_the_specification() {
        for (index, width, want) in [
            (0, 256, "tile/3/000"),
            (67, 256, "tile/3/067"),
            (999, 1, "tile/3/999.p/1"),
            (1000, 256, "tile/3/x001/000"),
            (1_234_067, 256, "tile/3/x001/x234/067"),
            (1_234_067, 255, "tile/3/x001/x234/067.p/255"),
        ] {
            assert_eq!(tile_path(3, index, width), want);
            assert_eq!(parse_position(&want["tile/3/".len()..]), Some((index, width)));
        }
        assert_eq!(bundle_path(0, 7), "tile/entries/000.p/7");
        for bad in [
            "",
            "0",
            "00",
            "0000",
            "x000/001",
            "001/002",
            "x001",
            "000.p/0",
            "000.p/256",
            "000.p/07",
            "a00",
            "000.p",
            "+01",
            "x001/x002",
        ] {
            assert_eq!(parse_position(bad), None, "{bad}");
        }
    }

    /// The examples of the specification: 70,000 leaves and 256 leaves.
    #[test]
    fn a_tree_has_the_tiles_of_the_specification() {
        let all: Vec<_> = tiles(70_000).collect();
        assert_eq!(all.iter().filter(|t| t.0 == 0 && t.2 == 256).count(), 273);
        assert_eq!(all[273..], [(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]);
        assert_eq!(tiles(256).collect::<Vec<_>>(), [(0, 0, 256), (1, 0, 1)]);
        assert_eq!(tiles(0).count(), 0);
    }

    #[test]
    fn bundles_read_back_and_cuts_are_seen() {
        let mut bundle = Vec::new();
        for entry in [b"a".as_slice(), b"", b"ccc"] {
            push_entry(&mut bundle, entry).unwrap();
        }
        let got: Vec<_> = entries(&bundle).collect();
        assert_eq!(got, [Ok(b"a".as_slice()), Ok(b""), Ok(b"ccc")]);
        bundle.pop();
        assert_eq!(entries(&bundle).last(), Some(Err(5)));
        bundle.truncate(6);
        assert_eq!(entries(&bundle).last(), Some(Err(5)));
        assert_eq!(push_entry(&mut bundle, &vec![0; 65_536]), Err(EntryTooLong(65_536)));
    }

    #[test]
    fn proofs_from_tiles_are_those_from_leaves() {
        const SIZE: u64 = 65_900;
        let leaves: Vec<_> = (0..SIZE).map(|n| hash::leaf(&n.to_be_bytes())).collect();
        let mut stored: BTreeMap<(u8, u64), Vec<Hash>> = BTreeMap::new();
        let mut frontier = tree::Frontier::default();
        for leaf in &leaves {
            frontier.append_noting(*leaf, |height, index, hash| {
                if height % 8 == 0 {
                    stored.entry((height / 8, index / WIDTH)).or_default().push(hash);
                }
            });
        }
        for (level, index, width) in tiles(SIZE) {
            assert_eq!(stored[&(level, index)].len() as u64, width);
        }
        let oracle = tree::tests::Nodes::of(&leaves);
        let nodes = TileNodes::new(SIZE, |level, index, _| stored.get(&(level, index)).cloned());
        for size in [1, 255, 256, 257, 511, 65_536, 65_537, 65_899, SIZE] {
            assert_eq!(root_at(&nodes, size), root_at(&oracle, size), "{size}");
            let index = size / 3;
            let path = inclusion_proof(&nodes, index, size).unwrap();
            let root = root_at(&nodes, size).unwrap();
            verify_inclusion(&leaves[index as usize], index, size, &path, &root).unwrap();
        }
        assert_eq!(consistency_proof(&nodes, 65_537, SIZE), consistency_proof(&oracle, 65_537, SIZE));
    }
}
