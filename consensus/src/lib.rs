//! PBFT (Castro & Liskov, OSDI'99) as a function: no sockets, files, clocks or randomness.
//!
//! [`Replica::handle`] takes the time and an [`Event`] and adds to [`Effects`]. Messages are
//! signed, ordering is by digest, results are agreed on before they are certified.
//! `docs/protocol.md` is the protocol; each handler names its section there or in the paper.

mod abstention;
mod admission;
mod batch;
mod catch_up;
mod certificate;
mod clocks;
mod config;
mod dispatch;
mod disputes;
mod effect;
mod event;
mod execution;
mod follower;
mod frame;
mod heartbeat;
mod incomplete;
mod key_table;
pub mod limits;
mod message;
mod missed_proposal;
mod ordering;
mod pace;
mod passed_checkpoint;
mod pool;
mod promising;
mod proposed_time;
mod record;
mod recovery;
mod redundant;
mod refusals;
mod rejection;
mod released;
mod replica;
mod request;
mod resolution;
mod resolving;
mod run;
pub mod sabotage;
mod second_results;
mod settlement;
mod shared_frame;
mod signed;
mod slot;
mod standing;
mod types;
mod verdict;
mod view_change;
mod word;

pub use abstention::Abstention;
pub use batch::{Admission, Batch};
pub use byzantine_proof::{Digest, Membership, ReplicaId};
pub use certificate::{
    CheckpointCertificate, CommitCertificate, Judge, PreparedCertificate, check_cosignatures,
};
pub use config::{Config, LedgerState, Recovered, RememberedKey};
pub use effect::{Effects, Notice};
pub use event::Event;
pub use execution::{
    Answer, Certificate, Execution, ExecutionItem, Limit, Outcome, SettledAnswer, Settlement,
    Verdict,
};
pub use follower::{Bare, BareAnswer, Follower, Retention};
pub use frame::{Entry, Fetch, Frame, Supply};
pub use message::{
    Attestation, Message, NewView, Promise, PromisedAnswer, ResultVote, StatusReport, Subject,
    Suspicion, ViewChange, Vote,
};
pub use record::Record;
pub use rejection::Rejection;
pub use released::{Compaction, Log, Released};
pub use replica::{Replica, Standing};
pub use request::{KeySource, KnownRequest, Request, request_id};
pub use resolution::{Evidence, Resolution};
pub use shared_frame::SharedFrame;
pub use signed::{
    Authority, Envelope, Keys, Sealed, SignedMessage, Verified, message_digest, open, open_one,
};
pub use types::{RequestId, Sequence, Time, UnixMillis, View};
pub use verdict::{Disagreement, Place, VerdictWriter};
