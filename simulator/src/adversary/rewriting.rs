//! Batches that a lying primary puts in the place of those that its core proposed.

use std::collections::BTreeMap;

use bytes::Bytes;
use byzantine_consensus::{Admission, Batch, Digest, Message, RequestId};

/// Which batch stands for which, in votes too.
#[derive(Debug, Default)]
pub(super) struct Rewriting(BTreeMap<Digest, Digest>);

/// How many are remembered.
const REMEMBERED: usize = 256;

/// A request, and the word on which it is ordered.
pub(super) type Charged = (RequestId, Admission);

/// The requests of a batch with their words.
pub(super) fn charged(batch: &Batch) -> impl DoubleEndedIterator<Item = Charged> + '_ {
    let pairs = batch.requests.iter().zip(&batch.admissions);
    pairs.map(|(id, admission)| (*id, *admission))
}

/// A batch with other requests.
pub(super) fn with_requests(batch: &Batch, charged: impl IntoIterator<Item = Charged>) -> Batch {
    let (requests, admissions) = charged.into_iter().unzip();
    Batch {
        requests,
        admissions,
        ..batch.clone()
    }
}

impl Rewriting {
    /// Puts another batch in the place of each, where `rewrite` makes one.
    pub(super) fn batches(
        &mut self,
        batches: &[Bytes],
        mut rewrite: impl FnMut(&Batch) -> Option<Batch>,
    ) -> Vec<Bytes> {
        let mut rewritten = |bytes: &Bytes| {
            let before = Batch::decode(bytes)?;
            let after = rewrite(&before)?;
            if self.0.len() == REMEMBERED {
                self.0.pop_first();
            }
            self.0.insert(before.digest(), after.digest());
            Some(after.encode())
        };
        batches
            .iter()
            .map(|bytes| rewritten(bytes).unwrap_or_else(|| bytes.clone()))
            .collect()
    }

    /// Names the other batches in the votes for them.
    pub(super) fn messages(&self, messages: Vec<Message>) -> Vec<Message> {
        let rename = |mut message: Message| {
            if let Message::PrePrepare(vote) | Message::Prepare(vote) | Message::Commit(vote) =
                &mut message
                && let Some(other) = self.0.get(&vote.digest)
            {
                vote.digest = *other;
            }
            message
        };
        messages.into_iter().map(rename).collect()
    }
}
