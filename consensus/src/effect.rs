//! What a replica wants done. Sends are locked until what they rest on is durable.
//!
//! The only way to a [`Released`] is [`Effects::commit`], which appends to the log and syncs it
//! first: persist-before-send is a type, not a habit.

use bytes::Bytes;
use byzantine_proof::{Digest, ReplicaId};

use crate::execution::{Answer, Certificate, Execution, Settlement};
use crate::frame::Frame;
use crate::limits::ENVELOPE_MESSAGES;
use crate::message::Message;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::sabotage::{Bug, is_on};
use crate::signed::{Authority, Envelope, Sealed};
use crate::types::{Sequence, View};

/// A log that is on disk once `sync` returned.
pub trait Log {
    /// Why the log could not be written; fatal, since nothing may be sent without it.
    type Error;

    /// Adds a record.
    ///
    /// # Errors
    /// When the record cannot be taken.
    fn append(&mut self, record: &[u8]) -> Result<(), Self::Error>;

    /// Returns once all records are durable.
    ///
    /// # Errors
    /// When that cannot be promised.
    fn sync(&mut self) -> Result<(), Self::Error>;
}

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

/// What may leave now that it is durable.
#[derive(Debug, Default)]
pub struct Released {
    /// Signed messages, for all peers.
    pub envelopes: Vec<Envelope>,
    /// The same messages: each must come back as [`Event::Sealed`](crate::Event::Sealed) before the
    /// next event is handled.
    pub sealed: Vec<Sealed>,
    /// The same messages unsigned, in the same grouping, for those who lie on purpose.
    pub messages: Vec<Vec<Message>>,
    /// Encoded batches that go beside the first envelope.
    pub batches: Vec<Bytes>,
    /// Frames for one peer.
    pub direct: Vec<(ReplicaId, Frame)>,
    /// Batches to run on the app, in order.
    pub executions: Vec<Execution>,
    /// Sequences for the ledger, in order.
    pub settlements: Vec<Settlement>,
    /// Certificates for the ledger and for waiting clients.
    pub certificates: Vec<Certificate>,
    /// A new stable checkpoint: the ledger must be durable up to here before anything is sent,
    /// since who restarts below it does not know its votes above the window again. Then compact
    /// the log to [`Replica::journal_base_at`](crate::Replica::journal_base_at).
    pub stable: Option<Sequence>,
    /// What an observer should know.
    pub notices: Vec<Notice>,
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

    /// Makes the records durable, signs the messages, and releases everything else.
    ///
    /// Own envelopes are logged too: after a restart they are resent byte-identical, and votes
    /// are restored from them rather than cast anew.
    ///
    /// # Errors
    /// The log's; nothing is released then.
    pub fn commit<L: Log>(
        self,
        log: &mut L,
        origin: &Digest,
        sender: ReplicaId,
        authority: &dyn Authority,
    ) -> Result<Released, L::Error> {
        let messages: Vec<Vec<Message>> = self
            .messages
            .chunks(ENVELOPE_MESSAGES)
            .map(<[Message]>::to_vec)
            .collect();
        let seal = |group: &Vec<Message>| Envelope::seal_own(origin, sender, group, authority);
        let (envelopes, sealed): (Vec<Envelope>, Vec<Sealed>) = messages.iter().map(seal).unzip();
        for record in &self.records {
            log.append(&record.encode())?;
        }
        let mut voted = self.records.iter().any(Record::is_relied_on);
        for (envelope, group) in envelopes.iter().zip(&messages) {
            // A STATUS binds nobody, so one alone needs no disk.
            if group
                .iter()
                .any(|message| !matches!(message, Message::Status(_)))
            {
                log.append(&Record::Own(envelope.clone()).encode())?;
                voted = true;
            }
        }
        if voted && !is_on(Bug::VoteBeforeSync) {
            log.sync()?;
        }
        Ok(Released {
            envelopes,
            sealed,
            messages,
            batches: self.batches,
            direct: self.direct,
            executions: self.executions,
            settlements: self.settlements,
            certificates: self.certificates,
            stable: self.stable,
            notices: self.notices,
        })
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
