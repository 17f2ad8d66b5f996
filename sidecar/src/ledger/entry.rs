//! One settled sequence as the ledger keeps it: the same bytes on every correct replica.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_consensus::{
    Batch, Execution, ExecutionItem, Outcome, Request, RequestId, Sequence, SettledAnswer,
    Settlement, UnixMillis, Verdict, request_id,
};
use byzantine_proof::Digest;
use std::collections::BTreeMap;

/// A settled sequence. Which COMMITs decided it is kept apart, since that differs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoredEntry {
    /// Its place in the order.
    pub sequence: Sequence,
    /// The agreed time at which it ran.
    pub time: UnixMillis,
    /// The batch's canonical bytes.
    pub batch: Bytes,
    /// The canonical bytes of its requests.
    pub requests: Vec<Bytes>,
    /// The settled answers, in leaf order.
    pub answers: Vec<SettledAnswer>,
    /// The text of the batch leaf.
    pub batch_leaf: Bytes,
    /// Leaves before this sequence.
    pub size_before: u64,
    /// Leaves after it.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// App calls so far, this sequence included.
    pub ordinal: u64,
}

impl StoredEntry {
    pub(super) fn of(settlement: &Settlement) -> Self {
        Self {
            sequence: settlement.sequence,
            time: settlement.time,
            batch: settlement.batch.clone(),
            requests: settlement.requests.clone(),
            answers: settlement.answers.clone(),
            batch_leaf: settlement.batch_leaf.clone(),
            size_before: settlement.size_before,
            size: settlement.size,
            root: settlement.root,
            ordinal: settlement.ordinal,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        borsh::to_vec(self).expect("an entry fits into memory")
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }

    /// The app calls of this sequence, also those settled by a verdict: the apps that live on have
    /// run them. `None` when a request is missing.
    pub(super) fn calls(&self) -> Option<Execution> {
        let requests: BTreeMap<RequestId, &Bytes> = self
            .requests
            .iter()
            .map(|bytes| (request_id(bytes), bytes))
            .collect();
        let (mut items, mut outcomes) = (Vec::new(), Vec::new());
        for (index, settled) in (0..).zip(&self.answers) {
            if !called(settled) {
                continue;
            }
            outcomes.push(Outcome::Answer(settled.answer.clone()));
            items.push(ExecutionItem {
                index,
                request_id: settled.request_id,
                request: Request::decode(requests.get(&settled.request_id)?)?,
                verdict: settled.verdict,
            });
        }
        Some(Execution {
            sequence: self.sequence,
            time: self.time,
            batch: Batch::decode(&self.batch)?.digest(),
            recorded: Some(outcomes),
            items,
        })
    }
}

const fn called(settled: &SettledAnswer) -> bool {
    matches!(settled.verdict, Verdict::Call { .. })
}
