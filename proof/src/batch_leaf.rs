//! The batch leaf: it ends every sequence, so checkpoints of different sequences always differ.

use crate::digest::Digest;
use crate::error::ProofError;
use crate::service::Origin;
use crate::text::{Lines, decimal, digest, pair, small_decimal};
use crate::tree;

/// The most resolutions named in one batch leaf.
const MAX_RESOLVED: usize = 1024;

/// What a sequence contained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchLeaf {
    /// Which log.
    pub origin: Origin,
    /// The sequence number.
    pub sequence: u64,
    /// The agreed time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Digest of the ordered batch.
    pub batch: Digest,
    /// Response leaves of this sequence.
    pub leaves: u32,
    /// Requests that had been answered before and made no leaf.
    pub duplicates: u32,
    /// Sequences whose results were settled by this one, ascending.
    pub resolved: Vec<u64>,
    /// Digest of the middleware's state, at checkpoint intervals only.
    pub middleware: Option<Digest>,
}

impl BatchLeaf {
    /// Reads a leaf; only the exact form that [`BatchLeaf::to_text`] writes is accepted.
    ///
    /// # Errors
    /// [`ProofError::Grammar`] or [`ProofError::Origin`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let mut lines = Lines::new("batch leaf", text);
        lines.exactly("byzantine-batch/v1")?;
        let origin = Origin::parse(lines.field("origin")?)?;
        let sequence = lines.parsed("seq", decimal)?;
        let time_ms = lines.parsed("time", decimal)?;
        let batch = lines.parsed("batch", digest)?;
        let (leaves, duplicates) = lines.parsed("count", counts)?;
        let resolved = lines.parsed("resolved", sequences)?;
        let middleware = lines.digest_or_none("middleware")?;
        lines.end()?;
        Ok(Self {
            origin,
            sequence,
            time_ms,
            batch,
            leaves,
            duplicates,
            resolved,
            middleware,
        })
    }

    /// The text that is hashed into the tree.
    pub fn to_text(&self) -> String {
        let resolved: Vec<String> = self.resolved.iter().map(u64::to_string).collect();
        let resolved = if resolved.is_empty() {
            "-".to_owned()
        } else {
            resolved.join(" ")
        };
        let middleware = self
            .middleware
            .map_or_else(|| "-".to_owned(), Digest::to_base64);
        format!(
            "byzantine-batch/v1\norigin {}\nseq {}\ntime {}\nbatch {}\ncount {} {}\n\
             resolved {resolved}\nmiddleware {middleware}\n",
            self.origin,
            self.sequence,
            self.time_ms,
            self.batch.to_base64(),
            self.leaves,
            self.duplicates,
        )
    }

    /// The hash of the text in the tree.
    pub fn hash(&self) -> Digest {
        tree::leaf_hash(self.to_text().as_bytes())
    }
}

fn counts(text: &str) -> Option<(u32, u32)> {
    let (leaves, duplicates) = pair(text)?;
    Some((small_decimal(leaves)?, small_decimal(duplicates)?))
}

fn sequences(text: &str) -> Option<Vec<u64>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let read: Vec<u64> = text
        .split(' ')
        .take(MAX_RESOLVED + 1)
        .map(decimal)
        .collect::<Option<_>>()?;
    let ascending = read.windows(2).all(|pair| pair[0] < pair[1]);
    (ascending && read.len() <= MAX_RESOLVED).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> BatchLeaf {
        BatchLeaf {
            origin: Origin::parse("a.b.c/0-0123456789abcdef").unwrap(),
            sequence: 7,
            time_ms: 9,
            batch: Digest::of(b"batch"),
            leaves: 2,
            duplicates: 1,
            resolved: vec![3, 5],
            middleware: Some(Digest::of(b"state")),
        }
    }

    #[test]
    fn the_text_returns() {
        let empty = BatchLeaf {
            resolved: Vec::new(),
            middleware: None,
            ..leaf()
        };
        for leaf in [leaf(), empty] {
            assert_eq!(BatchLeaf::parse(&leaf.to_text()), Ok(leaf));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let text = leaf().to_text();
        for (from, to) in [("3 5", "5 3"), ("3 5", "3 3"), ("3 5", ""), ("2 1", "2 01")] {
            assert!(BatchLeaf::parse(&text.replace(from, to)).is_err(), "{to}");
        }
    }
}
