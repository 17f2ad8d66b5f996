//! Following certified entries whose bodies are gone. (docs/protocol.md, "State transfer")
//!
//! Request-ids stand in the batches, everything else in the leaves; so tree and key table follow
//! without a body. Entries are taken one checkpoint interval at a time: its certificate covers
//! the digest of the key table, which alone says how long each key is remembered.

use std::sync::Arc;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::tree::Frontier;
use byzantine_proof::{BatchLeaf, Digest, Membership, ResponseLeaf};

use crate::batch::{Admission, Batch};
use crate::certificate::{Judge, check_cosignatures};
use crate::config::{LedgerState, RememberedKey};
use crate::execution::{Answer, Certificate, SettledAnswer, Settlement, Verdict};
use crate::key_table::{KeyTable, Seen};
use crate::rejection::Rejection;
use crate::signed::Authority;
use crate::types::{RequestId, Sequence, UnixMillis};

/// A settled sequence without its bodies.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Bare {
    /// The encoded batch.
    pub batch: Bytes,
    /// What is left of the answers, in leaf order.
    pub answers: Vec<BareAnswer>,
}

/// What is left of an answer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BareAnswer {
    /// The text of the response leaf.
    pub leaf: Bytes,
    /// When the key may be forgotten.
    pub expires: UnixMillis,
}

/// How long keys are remembered, in agreed time, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Those that clients chose.
    pub client: Duration,
    /// Those that gateways made.
    pub gateway: Duration,
    /// How many of one gateway's at once.
    pub gateway_keys: u32,
}

/// The replicated state, moved on by entries without bodies.
pub struct Follower {
    membership: Arc<Membership>,
    authority: Arc<dyn Authority>,
    origin: Digest,
    interval: u64,
    retention: Retention,
    sequence: Sequence,
    time: UnixMillis,
    ordinal: u64,
    frontier: Frontier,
    keys: KeyTable,
}

impl Follower {
    /// Goes on from where a ledger ends; `interval` is K.
    pub fn new(
        membership: Arc<Membership>,
        authority: Arc<dyn Authority>,
        interval: u64,
        retention: Retention,
        ledger: LedgerState,
    ) -> Self {
        let origin = Digest::of(membership.origin().as_str().as_bytes());
        let mut keys = KeyTable::new(retention.gateway_keys, ledger.forgotten);
        for key in ledger.keys {
            keys.insert(key);
        }
        Self {
            membership,
            authority,
            origin,
            interval,
            retention,
            sequence: ledger.sequence,
            time: ledger.time,
            ordinal: ledger.ordinal,
            frontier: ledger.frontier,
            keys,
        }
    }

    /// The last sequence followed.
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The next stable checkpoint.
    pub fn checkpoint(&self) -> Sequence {
        let next = self.sequence.0.saturating_add(1);
        Sequence(next.div_ceil(self.interval).saturating_mul(self.interval))
    }

    /// Takes all entries up to the next checkpoint, and the checkpoint's certificate; what comes
    /// back is for the ledger. After an error the follower is of no use any more.
    ///
    /// # Errors
    /// [`Rejection::Supply`] where the entries are not those that were certified,
    /// [`Rejection::Cosignature`] or [`Rejection::Certificate`] where nothing was.
    pub fn follow(
        mut self,
        entries: &[Bare],
        certificate: &Certificate,
    ) -> Result<(Self, Vec<Settlement>), Rejection> {
        let judge = Judge {
            membership: &self.membership,
            origin: &self.origin,
            authority: self.authority.as_ref(),
        };
        check_cosignatures(certificate, judge)?;
        let end = self.checkpoint();
        let mut settlements = Vec::with_capacity(entries.len());
        for entry in entries {
            settlements.push(self.follow_one(entry).ok_or(Rejection::Supply)?);
        }
        let reached = (self.sequence, self.frontier.size(), self.frontier.root());
        let certified = (certificate.sequence, certificate.size, certificate.root);
        if reached == certified && self.sequence == end {
            Ok((self, settlements))
        } else {
            Err(Rejection::Supply)
        }
    }

    fn follow_one(&mut self, entry: &Bare) -> Option<Settlement> {
        let batch = Batch::decode(&entry.batch)?;
        if batch.sequence != self.sequence.next() {
            return None;
        }
        self.sequence = batch.sequence;
        let proposed = batch.time.unwrap_or(self.time);
        self.time = proposed.max(self.time);
        self.keys.expire(self.time);
        let size_before = self.frontier.size();
        let answers = self.answers(&batch, &entry.answers)?;
        for settled in &answers {
            self.frontier.append(settled.answer.leaf_hash());
        }
        let batch_leaf = self.batch_leaf(&batch, answers.len())?;
        self.frontier.append(batch_leaf.hash());
        Some(Settlement {
            sequence: self.sequence,
            time: self.time,
            batch: entry.batch.clone(),
            requests: Vec::new(),
            commit_certificate: Bytes::new(),
            answers,
            batch_leaf: Bytes::from(batch_leaf.to_text()),
            size_before,
            size: self.frontier.size(),
            root: self.frontier.root(),
            ordinal: self.ordinal,
            forgotten: self.keys.forgotten(),
        })
    }

    /// Requests that were answered before made no leaf, nor did those whose word had lapsed; the
    /// others' leaves come in their order.
    fn answers(&mut self, batch: &Batch, bare: &[BareAnswer]) -> Option<Vec<SettledAnswer>> {
        let (mut answers, mut left) = (Vec::with_capacity(bare.len()), bare.iter());
        for (id, admission) in batch.requests.iter().zip(&batch.admissions) {
            if self.keys.answered(id).is_none() && !self.keys.is_lapsed(admission.as_of) {
                let answer = self.answer((*id, *admission), answers.len(), left.next()?)?;
                answers.push(answer);
            }
        }
        left.next().is_none().then_some(answers)
    }

    fn answer(
        &mut self,
        (request_id, admission): (RequestId, Admission),
        index: usize,
        bare: &BareAnswer,
    ) -> Option<SettledAnswer> {
        let leaf = ResponseLeaf::parse(std::str::from_utf8(&bare.leaf).ok()?).ok()?;
        let place = (leaf.sequence, usize::try_from(leaf.index).ok()?);
        let sound = place == (self.sequence.0, index)
            && leaf.time_ms == self.time.0
            && self.is_expiry(bare.expires);
        if !sound {
            return None;
        }
        let gateway = admission.gateway;
        let verdict = self.verdict((&leaf.key, &request_id), admission);
        if matches!(verdict, Verdict::Call { .. }) {
            self.keys.insert(RememberedKey {
                key_hash: leaf.key,
                request_id,
                sequence: self.sequence,
                index: leaf.index,
                expires: bare.expires,
                gateway,
            });
        }
        Some(SettledAnswer {
            request_id,
            key_hash: leaf.key,
            verdict,
            gateway,
            expires: bare.expires,
            answer: bare_answer(&bare.leaf),
        })
    }

    /// As when it was decided: what was answered before, or lapsed, does not come here.
    fn verdict(&mut self, name: (&Digest, &RequestId), admission: Admission) -> Verdict {
        match self.keys.seen(name, admission, self.time) {
            Seen::Reused => Verdict::Reused,
            Seen::Limit(limit) => Verdict::Limit(limit),
            Seen::Never | Seen::Same | Seen::Lapsed => {
                self.ordinal += 1;
                let ordinal = self.ordinal;
                Verdict::Call { ordinal }
            }
        }
    }

    fn is_expiry(&self, expires: UnixMillis) -> bool {
        let Retention {
            client, gateway, ..
        } = self.retention;
        expires == self.time.after(client) || expires == self.time.after(gateway)
    }

    fn batch_leaf(&self, batch: &Batch, leaves: usize) -> Option<BatchLeaf> {
        let checkpoint = self.sequence.0.is_multiple_of(self.interval);
        Some(BatchLeaf {
            origin: self.membership.origin().clone(),
            sequence: self.sequence.0,
            time_ms: self.time.0,
            batch: batch.digest(),
            leaves: u32::try_from(leaves).ok()?,
            duplicates: u32::try_from(batch.requests.len() - leaves).ok()?,
            resolved: batch.resolutions.iter().map(|it| it.sequence.0).collect(),
            middleware: checkpoint.then(|| self.keys.digest(self.ordinal)),
        })
    }
}

/// An answer of which only the leaf is left.
fn bare_answer(leaf: &Bytes) -> Answer {
    Answer {
        leaf: leaf.clone(),
        request_fields: Vec::new(),
        fields: Bytes::new(),
        content: Bytes::new(),
    }
}
