//! The Merkle tree of RFC 6962 §2.1 over leaf hashes: its root while it grows, its proofs, their verification.

mod proof;

use echobase_types::ErrorKind;

use crate::hash::{self, Hash};

pub use proof::{consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion};

/// A proof could not be made or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// An index or a size that the tree does not have.
    #[error("find position {position} in a tree of {size} leaves")]
    OutOfTree {
        /// The index or smaller size asked for.
        position: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The source has no such node.
    #[error("read tree node {index} at height {height}")]
    MissingNode {
        /// Height above the leaves.
        height: u8,
        /// Which node of that height, from the left.
        index: u64,
    },
    /// The proof leads to another root.
    #[error("verify proof: it does not lead to the root")]
    Mismatch,
    /// A frontier whose number of hashes does not fit its size.
    #[error("rebuild frontier: {size} leaves need {needed} hashes, not {given}")]
    Frontier {
        /// Leaves.
        size: u64,
        /// Hashes that such a tree has.
        needed: u32,
        /// Hashes given.
        given: usize,
    },
}

impl TreeError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfTree { .. } => ErrorKind::NotFound,
            Self::MissingNode { .. } => ErrorKind::Internal,
            Self::Mismatch | Self::Frontier { .. } => ErrorKind::Unprocessable,
        }
    }
}

/// Where hashes of complete subtrees come from: leaf hashes in memory, tiles, or a table of nodes.
pub trait NodeSource {
    /// Hash of the complete subtree over leaves `index·2^height .. (index+1)·2^height`.
    fn node(&self, height: u8, index: u64) -> Option<Hash>;
}

/// Leaf hashes in memory. A node costs as many hashes as it has leaves.
impl NodeSource for [Hash] {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        let width = 1_usize.checked_shl(u32::from(height))?;
        let from = usize::try_from(index).ok()?.checked_mul(width)?;
        fold(self.get(from..from.checked_add(width)?)?)
    }
}

/// Root of a complete subtree over `hashes`, whose number must be a power of two.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        [left, right] => Some(hash::node(left, right)),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Some(hash::node(&fold(left)?, &fold(right)?))
        }
    }
}

/// Root of the tree over these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    leaves
        .iter()
        .fold(Frontier::default(), |mut frontier, leaf| {
            frontier.append(*leaf);
            frontier
        })
        .root()
}

/// The right edge of a growing tree: hashes of the complete subtrees it is made of, largest first, at most 64.
/// All that is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// From what was stored: the size and [`Frontier::peaks`].
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, TreeError> {
        if peaks.len() != size.count_ones() as usize {
            return Err(TreeError::Frontier { size, needed: size.count_ones(), given: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// From a source of nodes, in O(log size) look-ups.
    pub fn from_source(source: &(impl NodeSource + ?Sized), size: u64) -> Result<Self, TreeError> {
        let peaks = proof::peaks(0, size)
            .map(|(height, index)| source.node(height, index).ok_or(TreeError::MissingNode { height, index }))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the complete subtrees, largest first; one per bit set in the size.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf: O(1) hashes on average, O(log size) at most.
    pub fn append(&mut self, leaf: Hash) {
        self.append_noting(leaf, |_, _, _| ());
    }

    /// Adds a leaf and tells of each node that it completes as (height, index, hash), the leaf itself first. A
    /// store that keeps the nodes of height 8, 16, … has all tiles of the log.
    pub fn append_noting(&mut self, leaf: Hash, mut completed: impl FnMut(u8, u64, Hash)) {
        let mut hash = leaf;
        completed(0, self.size, hash);
        for height in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = hash::node(&left, &hash);
            completed(height as u8 + 1, self.size >> (height + 1), hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Root of the tree as it is now.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return hash::empty_root() };
        peaks.fold(*last, |right, left| hash::node(left, &right))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    /// RFC 6962 §2.1 word by word, as the oracle.
    fn oracle(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => hash::empty_root(),
            [one] => *one,
            more => {
                let split = more.len().next_power_of_two() / 2;
                hash::node(&oracle(&more[..split]), &oracle(&more[split..]))
            }
        }
    }

    pub(crate) fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| hash::leaf(&n.to_be_bytes())).collect()
    }

    /// All nodes of a tree, so that tests of large trees do not hash for minutes.
    pub(crate) struct Nodes(Vec<Vec<Hash>>);

    impl Nodes {
        pub(crate) fn of(leaves: &[Hash]) -> Self {
            let mut levels = vec![leaves.to_vec()];
            while let Some(below) = levels.last().filter(|below| below.len() > 1) {
                let (pairs, _) = below.as_chunks::<2>();
                let above = pairs.iter().map(|[left, right]| hash::node(left, right)).collect();
                levels.push(above);
            }
            Self(levels)
        }
    }

    impl NodeSource for Nodes {
        fn node(&self, height: u8, index: u64) -> Option<Hash> {
            self.0.get(usize::from(height))?.get(index as usize).copied()
        }
    }

    #[test]
    fn nodes_of_leaves_are_those_of_the_whole_tree() {
        let leaves = leaves(37);
        let nodes = Nodes::of(&leaves);
        for height in 0..7 {
            for index in 0..40 {
                assert_eq!(nodes.node(height, index), leaves.as_slice().node(height, index));
            }
        }
    }

    #[test]
    fn the_frontier_has_the_root_of_every_size() {
        let leaves = leaves(130);
        let nodes = Nodes::of(&leaves);
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!(frontier.root(), oracle(&leaves[..size]), "{size}");
            assert_eq!(Frontier::from_source(&nodes, size as u64).unwrap(), frontier);
            let stored = Frontier::from_peaks(size as u64, frontier.peaks().to_vec()).unwrap();
            assert_eq!(stored, frontier);
            frontier.append(leaves[size]);
        }
        assert_eq!(root(&leaves), oracle(&leaves));
    }

    /// The tree of the certificate-transparency reference tests.
    #[test]
    fn roots_are_those_of_the_reference_tests() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let leaves: Vec<_> = inputs.iter().map(|i| hash::leaf(i)).collect();
        for (size, want) in [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(root(&leaves[..size]).to_string(), want, "{size}");
        }
    }

    #[test]
    fn completed_nodes_are_those_of_the_tree() {
        let leaves = leaves(70);
        let (mut frontier, mut noted) = (Frontier::default(), 0);
        for leaf in &leaves {
            frontier.append_noting(*leaf, |height, index, hash| {
                noted += 1;
                assert_eq!(leaves.as_slice().node(height, index), Some(hash), "{height}/{index}");
            });
        }
        assert_eq!(noted, 70 + 35 + 17 + 8 + 4 + 2 + 1);
    }

    #[test]
    fn a_frontier_with_too_few_hashes_is_refused() {
        assert!(matches!(Frontier::from_peaks(3, vec![Hash::ZERO]), Err(TreeError::Frontier { .. })));
        let short = leaves(4);
        assert!(matches!(
            Frontier::from_source(short.as_slice(), 8),
            Err(TreeError::MissingNode { height: 3, index: 0 })
        ));
    }
}
