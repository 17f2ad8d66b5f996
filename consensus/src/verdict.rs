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

#[cfg(test)]
mod tests {
    use byzantine_proof::{Client, IdempotencyKey, LeafKind, Origin, RequestFields, key_hash};

    use super::*;

    /// An answer as a PROMISE shows it.
    fn answer(status: u16, content: &str, fields: &[(&str, &str)]) -> (String, String) {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let block = FieldBlock::build(RequestFields::new([]).unwrap(), fields).unwrap();
        let leaf = ResponseLeaf {
            origin: Origin::parse("wallet.bank.example.org/0-0123456789abcdef").unwrap(),
            sequence: 1,
            index: 0,
            time_ms: 1,
            kind: LeafKind::App,
            key: key_hash(&Client::Anonymous, &IdempotencyKey::parse("\"k\"").unwrap()),
            request: Digest::of(b"request"),
            status,
            fields: block.digest(),
            content_length: content.len() as u64,
            content: Digest::of(content.as_bytes()),
            state: None,
        };
        (leaf.to_text(), block.to_text())
    }

    fn between(answers: &[(String, String)]) -> Disagreement {
        let parts = answers.iter();
        let parts = parts.map(|(leaf, fields)| (Some(leaf.as_bytes()), Some(fields.as_bytes())));
        Disagreement::between(1, parts)
    }

    #[test]
    fn each_part_that_differs_is_named_and_no_other() {
        let same = answer(200, "a", &[("etag", "1"), ("vary", "x")]);
        let alike = Disagreement {
            answers: 2,
            lost: 1,
            ..Disagreement::default()
        };
        assert_eq!(between(&[same.clone(), same.clone()]), alike);
        let status = answer(201, "a", &[("etag", "1"), ("vary", "x")]);
        let content = answer(200, "b", &[("etag", "1"), ("vary", "x")]);
        let fields = answer(200, "a", &[("etag", "2"), ("age", "0"), ("vary", "x")]);
        let differs = |other: (String, String)| between(&[same.clone(), other]);
        assert!(differs(status).status && !differs(content.clone()).status);
        assert!(differs(content).content && !differs(fields.clone()).content);
        assert_eq!(differs(fields).fields, ["age", "etag"]);
    }
}
