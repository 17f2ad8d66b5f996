//! What a replica wants done. Nothing in it can be reached before what it rests on is durable:
//! see [`Replica::commit`](crate::Replica::commit).

use bytes::Bytes;
use byzantine_proof::ReplicaId;

use crate::execution::{Answer, Certificate, Execution, Settlement};
use crate::frame::Frame;
use crate::message::Message;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::types::{Sequence, View};

/// What the events of one tick brought about.
#[derive(Debug, Default)]
pub struct Effects {
    pub(crate) records: Vec<Record>,
    pub(crate) messages: Vec<Message>,
    pub(crate) batches: Vec<Bytes>,
    pub(crate) direct: Vec<(ReplicaId, Frame)>,
    pub(crate) executions: Vec<Execution>,
    pub(crate) settlements: Vec<Settlement>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) stable: Option<Sequence>,
    pub(crate) notices: Vec<Notice>,
}

impl Effects {
    /// Whether nothing came of the events.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.messages.is_empty()
            && self.direct.is_empty()
            && self.executions.is_empty()
            && self.settlements.is_empty()
            && self.certificates.is_empty()
            && self.stable.is_none()
            && self.notices.is_empty()
    }
}

/// Something that people who watch the service want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "notices are few and live for one tick"
)]
pub enum Notice {
    /// A message was not accepted.
    Rejected {
        /// Who sent it, as far as that is known.
        replica: ReplicaId,
        /// Why.
        rejection: Rejection,
        /// Which kind of message.
        kind: &'static str,
    },
    /// Two signed, different votes of one replica for one phase, view and sequence.
    Equivocated {
        /// Who signed both.
        replica: ReplicaId,
        /// Where.
        sequence: Sequence,
    },
    /// A peer's app answered differently from this replica's.
    Differs {
        /// The peer.
        replica: ReplicaId,
        /// Where.
        sequence: Sequence,
        /// The leaf's place in the batch.
        index: u32,
        /// Method and target of the request.
        request: String,
        /// This replica's answer.
        ours: Answer,
        /// The peer's.
        theirs: Answer,
    },
    /// A replica's RESULT is not what a quorum settled.
    Outvoted {
        /// Whose RESULT.
        replica: ReplicaId,
        /// Where.
        sequence: Sequence,
        /// The leaf's place in the batch.
        index: u32,
    },
    /// This replica suspects the primary.
    Suspected {
        /// The view.
        view: View,
        /// `request`, `sequence`, `new_view` or `slow`.
        reason: &'static str,
    },
    /// This replica waits for a new view.
    ViewChangeStarted {
        /// The view it moves to.
        view: View,
        /// What most suspicions were about.
        reason: &'static str,
    },
    /// A view opened here.
    ViewEntered(View),
    /// A batch was proposed by this replica.
    Proposed {
        /// Its sequence.
        sequence: Sequence,
        /// How many requests.
        requests: usize,
    },
    /// A batch was pre-prepared, prepared or committed here.
    Phase {
        /// `pre_prepare`, `prepare`, `commit`, `result` or `attest`.
        phase: &'static str,
        /// Its sequence.
        sequence: Sequence,
    },
    /// RESULTs cannot settle a sequence here; it waits for a RESOLVE or a certificate.
    Promised {
        /// The sequence.
        sequence: Sequence,
    },
    /// A RESOLVE settled a sequence.
    Resolved {
        /// The sequence.
        sequence: Sequence,
        /// How many of its requests are answered by a certified 502.
        verdicts: usize,
    },
    /// This replica had lost its votes and abstained; it votes again.
    VotesAgain {
        /// Above this sequence.
        sequence: Sequence,
    },
    /// A sequence was taken over from a peer's ledger.
    CaughtUp(Sequence),
}
