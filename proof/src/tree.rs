//! RFC 6962 Merkle trees over SHA-256: roots, inclusion and consistency proofs.
//!
//! Only *complete* nodes are ever stored: node (level, index) covers the leaves
//! index·2^level … (index+1)·2^level − 1 and never changes once it exists.

use crate::digest::Digest;
use crate::error::ProofError;

/// A complete node: the root of a perfect subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// 0 for leaves; a node covers 2^level leaves.
    pub level: u8,
    /// Its place among the nodes of its level.
    pub index: u64,
    /// Its hash.
    pub hash: Digest,
}

/// The hash of a leaf: SHA-256(0x00, leaf).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], leaf])
}

/// The hash of an inner node: SHA-256(0x01, left, right).
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The right edge of a growing tree: the roots of its largest perfect subtrees, from the left.
/// At most 63 hashes; enough to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Digest>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a stored frontier.
    ///
    /// # Errors
    /// [`ProofError::Frontier`] unless there is one hash per bit of `size`, below 2^63.
    pub fn from_parts(size: u64, hashes: Vec<Digest>) -> Result<Self, ProofError> {
        let fits = i64::try_from(size).is_ok() && size.count_ones() as usize == hashes.len();
        let count = hashes.len();
        if fits {
            Ok(Self { size, hashes })
        } else {
            Err(ProofError::Frontier {
                size,
                hashes: count,
            })
        }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Appends a leaf's hash; returns the nodes that are complete now, the leaf first.
    pub fn append(&mut self, leaf: Digest) -> Vec<Node> {
        let mut node = Node {
            level: 0,
            index: self.size,
            hash: leaf,
        };
        let mut completed = vec![node];
        while node.index % 2 == 1 {
            // An odd node has a complete left sibling, and that is the last one kept.
            let Some(left) = self.hashes.pop() else { break };
            let hash = node_hash(left, node.hash);
            node = Node {
                level: node.level + 1,
                index: node.index / 2,
                hash,
            };
            completed.push(node);
        }
        self.hashes.push(node.hash);
        self.size += 1;
        completed
    }

    /// The root of the tree; that of the empty tree is SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        let folded = self.hashes.iter().copied().rev();
        folded
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or_else(|| Digest::of(b""))
    }
}

/// The siblings from a leaf to the root of the first `size` leaves (RFC 6962 §2.1.1), read from
/// complete nodes; `None` when `position` is outside or a node is missing.
pub fn inclusion_path(
    position: u64,
    size: u64,
    mut read: impl FnMut(u8, u64) -> Option<Digest>,
) -> Option<Vec<Digest>> {
    if position >= size {
        return None;
    }
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if position < middle {
            path.push(range_root(middle, high, &mut read)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, &mut read)?);
            low = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` leads from the leaf hash at `position` to `root` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    leaf: Digest,
    position: u64,
    size: u64,
    path: &[Digest],
    root: Digest,
) -> bool {
    if position >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (position, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(*sibling, hash);
            (node, last) = skip_promoted(node, last);
        } else {
            hash = node_hash(hash, *sibling);
        }
        (node, last) = (node / 2, last / 2);
    }
    last == 0 && hash == root
}

/// The proof that the tree of `first` leaves is a prefix of that of `second` (RFC 6962 §2.1.2),
/// read from complete nodes; empty when they are the same tree. `None` when `first` is 0 or larger
/// than `second`, or a node is missing.
pub fn consistency_path(
    first: u64,
    second: u64,
    mut read: impl FnMut(u8, u64) -> Option<Digest>,
) -> Option<Vec<Digest>> {
    if first == 0 || first > second {
        return None;
    }
    let (mut low, mut high, mut path) = (0, second, Vec::new());
    while first != high {
        let middle = low + split(high - low);
        if first <= middle {
            path.push(range_root(middle, high, &mut read)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, &mut read)?);
            low = middle;
        }
    }
    if low != 0 {
        path.push(range_root(low, high, &mut read)?);
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that the tree of `first` leaves under `first_root` is a prefix of the
/// tree of `second` leaves under `second_root` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(
    first: u64,
    first_root: Digest,
    second: u64,
    second_root: Digest,
    path: &[Digest],
) -> bool {
    if first == 0 || first >= second {
        return first == second && first != 0 && path.is_empty() && first_root == second_root;
    }
    // A perfect first tree is a node of the second and not repeated in the path.
    let known = first.is_power_of_two().then_some(first_root);
    let mut hashes = known.into_iter().chain(path.iter().copied());
    let Some(start) = hashes.next() else {
        return false;
    };
    let shift = (first - 1).trailing_ones();
    let (mut node, mut last) = ((first - 1) >> shift, (second - 1) >> shift);
    let (mut old, mut new) = (start, start);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            (old, new) = (node_hash(hash, old), node_hash(hash, new));
            (node, last) = skip_promoted(node, last);
        } else {
            new = node_hash(new, hash);
        }
        (node, last) = (node / 2, last / 2);
    }
    last == 0 && old == first_root && new == second_root
}

/// Climbs the levels at which a node on the right edge has no sibling.
fn skip_promoted(node: u64, last: u64) -> (u64, u64) {
    let levels = if node == 0 { 0 } else { node.trailing_zeros() };
    (node >> levels, last >> levels)
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// The root of the leaves `low … high − 1`, where `low` is a multiple of a power of two that is
/// at least as large as the range.
fn range_root(
    mut low: u64,
    high: u64,
    read: &mut impl FnMut(u8, u64) -> Option<Digest>,
) -> Option<Digest> {
    let mut parts = Vec::new();
    while low < high {
        let level = (high - low).ilog2();
        parts.push(read(u8::try_from(level).ok()?, low >> level)?);
        low += 1 << level;
    }
    parts
        .into_iter()
        .rev()
        .reduce(|right, left| node_hash(left, right))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ct_merkle::HashableLeaf;
    use ct_merkle::digest::Update;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;

    struct Leaf(u64);

    impl HashableLeaf for Leaf {
        fn hash<H: Update>(&self, hasher: &mut H) {
            hasher.update(&self.0.to_be_bytes());
        }
    }

    type Nodes = BTreeMap<(u8, u64), Digest>;

    fn grow(size: u64) -> (Frontier, Nodes) {
        let (mut frontier, mut nodes) = (Frontier::new(), Nodes::new());
        for number in 0..size {
            for node in frontier.append(leaf(number)) {
                nodes.insert((node.level, node.index), node.hash);
            }
        }
        (frontier, nodes)
    }

    fn leaf(number: u64) -> Digest {
        leaf_hash(&number.to_be_bytes())
    }

    fn oracle(size: u64) -> MemoryBackedTree<Sha256, Leaf> {
        let mut tree = MemoryBackedTree::new();
        (0..size).for_each(|number| tree.push(Leaf(number)));
        tree
    }

    fn bytes(path: &[Digest]) -> Vec<u8> {
        path.iter().flat_map(|digest| *digest.as_bytes()).collect()
    }

    #[test]
    fn roots_and_paths_are_those_of_another_implementation() {
        for size in 1..70 {
            let (frontier, nodes) = grow(size);
            let read = |level, index| nodes.get(&(level, index)).copied();
            let tree = oracle(size);
            assert_eq!(frontier.root().as_bytes()[..], tree.root().as_bytes()[..]);
            for position in 0..size {
                let path = inclusion_path(position, size, read).unwrap();
                let theirs = tree.prove_inclusion(usize::try_from(position).unwrap());
                assert_eq!(bytes(&path), theirs.as_bytes());
                assert!(verify_inclusion(
                    leaf(position),
                    position,
                    size,
                    &path,
                    frontier.root()
                ));
            }
            for first in 1..size {
                let path = consistency_path(first, size, read).unwrap();
                let added = usize::try_from(size - first).unwrap();
                assert_eq!(bytes(&path), tree.prove_consistency(added).as_bytes());
                let (old, new) = (grow(first).0.root(), frontier.root());
                assert!(verify_consistency(first, old, size, new, &path));
            }
        }
    }

    #[test]
    fn the_empty_tree_and_the_stored_one() {
        assert_eq!(Frontier::new().root(), Digest::of(b""));
        let (frontier, _) = grow(11);
        let stored = Frontier::from_parts(11, frontier.hashes().to_vec());
        assert_eq!(stored, Ok(frontier.clone()));
        assert!(Frontier::from_parts(10, frontier.hashes().to_vec()).is_err());
        assert!(inclusion_path(3, 3, |_, _| None).is_none());
        assert!(inclusion_path(2, 3, |_, _| None).is_none());
        assert!(consistency_path(0, 3, |_, _| None).is_none());
        assert!(!verify_inclusion(
            Digest::of(b""),
            0,
            0,
            &[],
            Digest::of(b"")
        ));
        assert!(verify_consistency(5, leaf(1), 5, leaf(1), &[]));
        assert!(!verify_consistency(5, leaf(1), 5, leaf(2), &[]));
    }

    #[test]
    fn completed_nodes_are_returned_once_each() {
        let (mut frontier, mut count) = (Frontier::new(), 0);
        for number in 0..64 {
            count += frontier.append(leaf(number)).len();
        }
        assert_eq!(count, 127);
        assert_eq!(frontier.hashes().len(), 1);
    }

    proptest! {
        #[test]
        fn a_wrong_claim_is_refused(
            size in 1_u64..200, place in any::<prop::sample::Index>(), bit in 0_u8..8,
            byte in any::<prop::sample::Index>(), claimed in 0_u64..220,
        ) {
            let position = place.index(usize::try_from(size).unwrap()) as u64;
            let (frontier, nodes) = grow(size);
            let read = |level, index| nodes.get(&(level, index)).copied();
            let path = inclusion_path(position, size, read).unwrap();
            let (hash, root) = (leaf(position), frontier.root());
            prop_assert_eq!(
                verify_inclusion(hash, claimed, size, &path, root), claimed == position
            );
            let longer: Vec<Digest> = path.iter().copied().chain([root]).collect();
            prop_assert!(!verify_inclusion(hash, position, size, &longer, root));
            if !path.is_empty() {
                let shorter = &path[..path.len() - 1];
                prop_assert!(!verify_inclusion(hash, position, size, shorter, root));
                let mut changed = bytes(&path);
                let at = byte.index(changed.len());
                changed[at] ^= 1 << bit;
                let changed: Vec<Digest> = changed
                    .chunks(32)
                    .map(|chunk| Digest::from_bytes(chunk.try_into().unwrap()))
                    .collect();
                prop_assert!(!verify_inclusion(hash, position, size, &changed, root));
            }
        }

        #[test]
        fn a_rewritten_past_is_refused(first in 1_u64..100, added in 1_u64..100) {
            let second = first + added;
            let (_, nodes) = grow(second);
            let read = |level, index| nodes.get(&(level, index)).copied();
            let path = consistency_path(first, second, read).unwrap();
            let (old, new) = (grow(first).0.root(), grow(second).0.root());
            prop_assert!(verify_consistency(first, old, second, new, &path));
            prop_assert!(!verify_consistency(first, leaf(0), second, new, &path) || first == 1);
            prop_assert!(!verify_consistency(first, old, second, leaf(0), &path));
            if first > 1 {
                prop_assert!(!verify_consistency(first - 1, old, second, new, &path));
            }
        }
    }
}
