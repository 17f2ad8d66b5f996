//! Leaves, Merkle trees, checkpoints, cosignatures and policies: building and verifying proofs.
