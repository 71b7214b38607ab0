//! Inclusion and consistency proofs: made as RFC 6962 §2.1.1–2.1.2 says, verified as RFC 9162 §2.1.3.2 and
//! §2.1.4.2 say. Making a proof needs O(log size) nodes of complete subtrees.

use super::{NodeSource, TreeError};
use crate::hash::{self, Hash};

/// The complete subtrees that `from..to` is made of, left to right, as (height, index). `from` must be a multiple
/// of the largest power of two that is not above `to - from`, as it is for every subtree of an RFC 6962 tree.
pub(super) fn peaks(from: u64, to: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let height = (to - at).checked_ilog2()?;
        let index = at >> height;
        at += 1 << height;
        Some((height as u8, index))
    })
}

fn range(source: &(impl NodeSource + ?Sized), from: u64, to: u64) -> Result<Hash, TreeError> {
    let hashes = peaks(from, to)
        .map(|(height, index)| source.node(height, index).ok_or(TreeError::MissingNode { height, index }))
        .collect::<Result<Vec<_>, _>>()?;
    let mut right_to_left = hashes.iter().rev();
    let Some(last) = right_to_left.next() else { return Ok(hash::empty_root()) };
    Ok(right_to_left.fold(*last, |right, left| hash::node(left, &right)))
}

/// Where RFC 6962 splits `leaves` > 1: the largest power of two below it.
const fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Root of the first `size` leaves.
pub fn root_at(source: &(impl NodeSource + ?Sized), size: u64) -> Result<Hash, TreeError> {
    range(source, 0, size)
}

/// Path from leaf `index` to the root of the first `size` leaves, the leaf's sibling first.
pub fn inclusion_proof(
    source: &(impl NodeSource + ?Sized),
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::OutOfTree { position: index, size });
    }
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range(source, middle, to)?);
            to = middle;
        } else {
            path.push(range(source, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the first `old` leaves of a tree of `new` leaves are the tree of `old` leaves. Empty for `old` = 0
/// and for `old` = `new`.
pub fn consistency_proof(
    source: &(impl NodeSource + ?Sized),
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, TreeError> {
    if old > new {
        return Err(TreeError::OutOfTree { position: old, size: new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let (mut from, mut to, mut path) = (0, new, Vec::new());
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range(source, middle, to)?);
            to = middle;
        } else {
            path.push(range(source, from, middle)?);
            from = middle;
        }
    }
    if from != 0 {
        path.push(range(source, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::OutOfTree { position: index, size });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(TreeError::Mismatch);
        }
        if at & 1 == 1 || at == last {
            hash = hash::node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = hash::node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(TreeError::Mismatch) }
}

/// Checks that the tree of `new` leaves begins with the tree of `old` leaves.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), TreeError> {
    let holds = |good: bool| if good { Ok(()) } else { Err(TreeError::Mismatch) };
    if old > new {
        return Err(TreeError::OutOfTree { position: old, size: new });
    }
    if old == new {
        return holds(path.is_empty() && old_root == new_root);
    }
    if old == 0 {
        return holds(path.is_empty() && *old_root == hash::empty_root());
    }
    let mut path = path.iter();
    let shift = old.trailing_zeros();
    let (mut at, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    // When the old tree is complete, its root is the first node of the path and is not sent.
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return Err(TreeError::Mismatch) };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return Err(TreeError::Mismatch);
        }
        if at & 1 == 1 || at == last {
            old_hash = hash::node(sibling, &old_hash);
            new_hash = hash::node(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = hash::node(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    holds(last == 0 && old_hash == *old_root && new_hash == *new_root)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::super::tests::{Nodes, leaves};
    use super::*;

    /// RFC 6962 §2.1.1 and §2.1.2 word by word, as the oracle.
    fn oracle_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        if m < left.len() {
            let mut path = oracle_path(m, left);
            path.push(super::super::root(right));
            path
        } else {
            let mut path = oracle_path(m - left.len(), right);
            path.push(super::super::root(left));
            path
        }
    }

    #[test]
    fn every_leaf_of_every_tree_up_to_300_is_proved() {
        let all = leaves(300);
        let nodes = Nodes::of(&all);
        for size in 1..=300 {
            let root = root_at(&nodes, size).unwrap();
            // Every leaf of small trees; the corners and a stride of large ones.
            let step = if size < 70 { 1 } else { 41 };
            for index in (0..size).step_by(step).chain([size - 1, size / 2]) {
                let path = inclusion_proof(&nodes, index, size).unwrap();
                verify_inclusion(&all[index as usize], index, size, &path, &root).unwrap();
            }
        }
    }

    #[test]
    fn a_path_proves_its_leaf_at_its_place_and_nothing_else() {
        let all = leaves(33);
        for size in 1..=33 {
            let root = root_at(all.as_slice(), size).unwrap();
            for index in 0..size {
                let leaf = &all[index as usize];
                let path = inclusion_proof(all.as_slice(), index, size).unwrap();
                assert_eq!(path, oracle_path(index as usize, &all[..size as usize]));
                for wrong in 0..size {
                    let held = verify_inclusion(leaf, wrong, size, &path, &root).is_ok();
                    assert_eq!(held, wrong == index, "{wrong} of {size}");
                }
                for cut in 0..path.len() {
                    let mut bad = path.clone();
                    bad.remove(cut);
                    assert!(verify_inclusion(leaf, index, size, &bad, &root).is_err());
                }
                let longer = [path.as_slice(), &[root]].concat();
                assert!(verify_inclusion(leaf, index, size, &longer, &root).is_err());
            }
        }
    }

    #[test]
    fn every_pair_of_sizes_up_to_64_is_consistent() {
        let nodes = Nodes::of(&leaves(64));
        let roots: Vec<_> = (0..=64).map(|n| root_at(&nodes, n).unwrap()).collect();
        for new in 0..=64_u64 {
            for old in 0..=new {
                let path = consistency_proof(&nodes, old, new).unwrap();
                let (a, b) = (&roots[old as usize], &roots[new as usize]);
                verify_consistency(old, a, new, b, &path).unwrap();
                if old > 0 && old < new {
                    assert!(verify_consistency(old, b, new, b, &path).is_err(), "{old} {new}");
                    assert!(verify_consistency(old, a, new, a, &path).is_err(), "{old} {new}");
                    for cut in 0..path.len() {
                        let mut bad = path.clone();
                        bad[cut] = Hash::ZERO;
                        assert!(verify_consistency(old, a, new, b, &bad).is_err(), "{old} {new} {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn positions_outside_the_tree_are_refused() {
        let all = leaves(4);
        assert!(matches!(inclusion_proof(all.as_slice(), 4, 4), Err(TreeError::OutOfTree { .. })));
        assert!(matches!(consistency_proof(all.as_slice(), 5, 4), Err(TreeError::OutOfTree { .. })));
        assert!(matches!(inclusion_proof(all.as_slice(), 0, 9), Err(TreeError::MissingNode { .. })));
    }
}
