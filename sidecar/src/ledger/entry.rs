//! One settled sequence as the ledger keeps it: the same bytes on every correct replica.
//!
//! What proofs stand on is kept for ever; bodies, apart, as long as somebody may need them. Batch
//! and leaves name the bodies by digest, so that equal entries mean equal bodies.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_consensus::{
    Answer, Bare, BareAnswer, Batch, Execution, ExecutionItem, Outcome, Request, RequestId,
    Sequence, SettledAnswer, Settlement, UnixMillis, Verdict, request_id,
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
    /// The settled answers, in leaf order, without field block and content.
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
    /// The last sequence of which a key was forgotten by then.
    pub forgotten: Sequence,
}

impl StoredEntry {
    pub(super) fn of(settlement: &Settlement) -> Self {
        Self {
            sequence: settlement.sequence,
            time: settlement.time,
            batch: settlement.batch.clone(),
            answers: settlement.answers.iter().map(bare).collect(),
            batch_leaf: settlement.batch_leaf.clone(),
            size_before: settlement.size_before,
            size: settlement.size,
            root: settlement.root,
            ordinal: settlement.ordinal,
            forgotten: settlement.forgotten,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        borsh::to_vec(self).expect("an entry fits into memory")
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }

    /// Without bodies, as a replica is given it that missed it.
    pub(super) fn bare(&self) -> Bare {
        let answers = self.answers.iter().map(|settled| BareAnswer {
            leaf: settled.answer.leaf.clone(),
            expires: settled.expires,
        });
        Bare {
            batch: self.batch.clone(),
            answers: answers.collect(),
        }
    }

    /// The answers, whole; `None` where the bodies are not those of this entry.
    pub(super) fn whole(&self, bodies: &Bodies) -> Option<Vec<SettledAnswer>> {
        if bodies.answers.len() != self.answers.len() {
            return None;
        }
        let whole = self.answers.iter().zip(&bodies.answers).map(fill);
        Some(whole.collect())
    }

    /// The app calls of this sequence, also those settled by a verdict: the apps that live on have
    /// run them. `None` when a request is missing.
    pub(super) fn calls(&self, bodies: &Bodies) -> Option<Execution> {
        let requests: BTreeMap<RequestId, &Bytes> = bodies
            .requests
            .iter()
            .map(|bytes| (request_id(bytes), bytes))
            .collect();
        let (mut items, mut outcomes) = (Vec::new(), Vec::new());
        for (index, settled) in (0..).zip(self.whole(bodies)?) {
            if !called(&settled) {
                continue;
            }
            outcomes.push(Outcome::Answer(settled.answer));
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

/// The bodies of one settled sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Bodies {
    /// The canonical bytes of the requests, in the batch's order.
    pub(super) requests: Vec<Bytes>,
    /// What the leaves name by digest, in leaf order.
    pub(super) answers: Vec<Body>,
}

/// What a leaf names by digest.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Body {
    request_fields: Vec<String>,
    fields: Bytes,
    content: Bytes,
}

impl Bodies {
    pub(super) fn of(settlement: &Settlement) -> Self {
        let answers = settlement.answers.iter().map(|settled| Body {
            request_fields: settled.answer.request_fields.clone(),
            fields: settled.answer.fields.clone(),
            content: settled.answer.content.clone(),
        });
        Self {
            requests: settlement.requests.clone(),
            answers: answers.collect(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        borsh::to_vec(self).expect("bodies fit into memory")
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}

fn bare(settled: &SettledAnswer) -> SettledAnswer {
    let answer = Answer {
        leaf: settled.answer.leaf.clone(),
        request_fields: Vec::new(),
        fields: Bytes::new(),
        content: Bytes::new(),
    };
    SettledAnswer { answer, ..*settled }
}

fn fill((settled, body): (&SettledAnswer, &Body)) -> SettledAnswer {
    let answer = Answer {
        leaf: settled.answer.leaf.clone(),
        request_fields: body.request_fields.clone(),
        fields: body.fields.clone(),
        content: body.content.clone(),
    };
    SettledAnswer { answer, ..*settled }
}

const fn called(settled: &SettledAnswer) -> bool {
    matches!(settled.verdict, Verdict::Call { .. })
}
