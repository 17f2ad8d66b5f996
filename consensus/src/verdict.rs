//! What is said to a client when the apps of correct replicas may have differed: the verdict.
//!
//! The core knows that answers differ; how a certified 502 reads is written beside it, by a
//! function that must give the same bytes on every replica.

use std::collections::BTreeSet;

use byzantine_proof::{Digest, FieldBlock, ResponseLeaf};

use crate::execution::Answer;
use crate::limits::NAMED_FIELDS;
use crate::request::Request;
use crate::types::{Sequence, UnixMillis};

/// Writes the verdict leaf and what it names. Must be deterministic and equal on all replicas.
pub trait VerdictWriter: Send + Sync + std::fmt::Debug {
    /// The answer to `request`, on which the replicas did not agree.
    fn verdict(&self, place: Place, request: &Request, disagreement: &Disagreement) -> Answer;
}

/// Where an answer stands in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The batch.
    pub sequence: Sequence,
    /// The leaf's place in the batch.
    pub index: u32,
    /// The agreed time.
    pub time: UnixMillis,
}

/// In what the promised answers to one request differ, as far as the promises show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disagreement {
    /// How many replicas gave an answer.
    pub answers: usize,
    /// How many replicas lost theirs.
    pub lost: usize,
    /// The status codes differ.
    pub status: bool,
    /// The names of header fields that differ, sorted.
    pub fields: Vec<String>,
    /// The content differs.
    pub content: bool,
}

impl Disagreement {
    /// Compares promised answers: leaf and field block, the latter as far as it was short enough.
    pub(crate) fn between<'a>(
        lost: usize,
        answers: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
    ) -> Self {
        let mut statuses = BTreeSet::new();
        let mut contents: BTreeSet<(u64, Digest)> = BTreeSet::new();
        let (mut blocks, mut count) = (Vec::new(), 0);
        for (leaf, fields) in answers {
            count += 1;
            if let Some(leaf) = leaf.and_then(parse_leaf) {
                statuses.insert(leaf.status);
                contents.insert((leaf.content_length, leaf.content));
            }
            blocks.extend(fields.and_then(parse_fields));
        }
        Self {
            answers: count,
            lost,
            status: statuses.len() > 1,
            fields: differing_fields(&blocks),
            content: contents.len() > 1,
        }
    }
}

fn parse_leaf(bytes: &[u8]) -> Option<ResponseLeaf> {
    ResponseLeaf::parse(std::str::from_utf8(bytes).ok()?).ok()
}

fn parse_fields(bytes: &[u8]) -> Option<FieldBlock> {
    FieldBlock::parse(std::str::from_utf8(bytes).ok()?).ok()
}

fn differing_fields(blocks: &[FieldBlock]) -> Vec<String> {
    let names = blocks.iter().flat_map(FieldBlock::fields);
    let names: BTreeSet<&str> = names.map(|field| field.name.as_str()).collect();
    let values = |block: &FieldBlock, name: &str| -> Vec<Vec<u8>> {
        block.values(name).map(<[u8]>::to_vec).collect()
    };
    let differs = |name: &&str| {
        let mut all = blocks.iter().map(|block| values(block, name));
        let first = all.next();
        all.any(|value| Some(value) != first)
    };
    let differing = names.into_iter().filter(differs).take(NAMED_FIELDS);
    differing.map(str::to_owned).collect()
}
