//! What may leave now that it is durable.
//!
//! The only way to a [`Released`] is [`Replica::commit`], which appends to the log and syncs it
//! first: persist-before-send is a type, not a habit.

use bytes::Bytes;
use byzantine_proof::ReplicaId;

use crate::effect::{Effects, Notice};
use crate::execution::{Certificate, Execution, Settlement};
use crate::frame::Frame;
use crate::limits::ENVELOPE_MESSAGES;
use crate::message::Message;
use crate::record::Record;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::signed::{Envelope, Sealed};
use crate::types::Sequence;

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

/// What a commit releases.
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
    /// What a new stable checkpoint makes of the log.
    pub compaction: Option<Compaction>,
    /// What an observer should know.
    pub notices: Vec<Notice>,
}

/// A log as short as a stable checkpoint lets it be.
#[derive(Debug)]
pub struct Compaction {
    /// The ledger must be durable up to here before anything of the commit is sent, since who
    /// restarts below it does not know its votes above the window again.
    pub stable: Sequence,
    /// Then, before the next commit, the log is replaced by these.
    pub base: Vec<Record>,
}

impl Replica {
    /// Makes the records of `effects` durable, signs the messages, and releases everything else.
    /// No event may come between those that had these effects and this.
    ///
    /// Own envelopes are logged too: after a restart they are resent byte-identical, and votes
    /// are restored from them rather than cast anew.
    ///
    /// # Errors
    /// The log's; nothing is released then.
    pub fn commit<L: Log>(&self, effects: Effects, log: &mut L) -> Result<Released, L::Error> {
        let messages: Vec<Vec<Message>> = effects
            .messages
            .chunks(ENVELOPE_MESSAGES)
            .map(<[Message]>::to_vec)
            .collect();
        let seal = |group: &Vec<Message>| self.seal(group);
        let (envelopes, sealed): (Vec<Envelope>, Vec<Sealed>) = messages.iter().map(seal).unzip();
        write(log, &effects.records, &envelopes, &messages)?;
        let stable = effects.stable;
        Ok(Released {
            compaction: stable.map(|stable| self.compaction(stable, &envelopes)),
            envelopes,
            sealed,
            messages,
            batches: effects.batches,
            direct: effects.direct,
            executions: effects.executions,
            settlements: effects.settlements,
            certificates: effects.certificates,
            notices: effects.notices,
        })
    }

    fn seal(&self, group: &[Message]) -> (Envelope, Sealed) {
        let own = self.config.replica;
        Envelope::seal_own(&self.origin, own, group, self.authority.as_ref())
    }

    /// The state now is that of the log, since what was said with it has not come back: that may
    /// move this replica to another view, or to a checkpoint that the ledger does not have.
    fn compaction(&self, stable: Sequence, said: &[Envelope]) -> Compaction {
        debug_assert_eq!(stable, self.stable, "no event since the effects");
        let said = said.iter().cloned().map(Record::Own);
        let base = self.journal_base().into_iter().chain(said).collect();
        Compaction { stable, base }
    }
}

/// What nearly every record fits into.
const RECORD_BYTES: usize = 1024;

fn write<L: Log>(
    log: &mut L,
    records: &[Record],
    envelopes: &[Envelope],
    messages: &[Vec<Message>],
) -> Result<(), L::Error> {
    let mut buffer = Vec::with_capacity(RECORD_BYTES);
    for record in records {
        log.append(record.encode_into(&mut buffer))?;
    }
    let mut voted = records.iter().any(Record::is_relied_on);
    for (envelope, group) in envelopes.iter().zip(messages) {
        // A STATUS binds nobody, so one alone needs no disk.
        let binds = |message: &Message| !matches!(message, Message::Status(_));
        if group.iter().any(binds) {
            log.append(Record::Own(envelope.clone()).encode_into(&mut buffer))?;
            voted = true;
        }
    }
    if voted && !is_on(Bug::VoteBeforeSync) {
        log.sync()?;
    }
    Ok(())
}
