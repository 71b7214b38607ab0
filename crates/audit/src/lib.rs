//! Ledger entries, hash chain, Merkle tree, checkpoints, proofs and the offline verifier.
