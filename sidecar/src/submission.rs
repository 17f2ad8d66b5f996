//! The seams between HTTP and agreement: how requests enter, and how batches reach the app.
//!
//! All queues here are bounded. A request that was accepted is answered once its leaf is
//! certified; whoever waits for it may give up at any time without harm.

use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::{Answer, Execution, KnownRequest, Outcome, Request, RequestId, Sequence};
use byzantine_proof::{Digest, Membership, Tile, TlogProof};
use tokio::sync::{mpsc, oneshot, watch};

use crate::ledger::{Ledger, LedgerError};

/// Submissions on their way to the driver, before it looks at them.
const SUBMISSION_QUEUE: usize = 4096;

/// An answer with everything a client needs to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The settled answer.
    pub answer: Answer,
    /// The leaf's place in the tree.
    pub position: u64,
    /// The proof, with exactly k cosignatures.
    pub proof: TlogProof,
}

/// Why there is no certified answer, and what that says about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// This gateway did not accept it: it will not run on its account. (503)
    #[error("this gateway did not accept the request: {0}; retry it with the same key")]
    NotAccepted(NotAccepted),
    /// It was accepted and may run or have run; not decided within the time. (504)
    #[error("the request was accepted and is not decided yet; retry it with the same key")]
    Undecided,
}

/// Why a gateway did not accept a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// As many requests wait as may.
    #[error("too many requests are waiting here")]
    QueueFull,
    /// The replica is shutting down.
    #[error("this replica is shutting down")]
    ShuttingDown,
    /// The ledger is being brought over from the others.
    #[error("this replica is catching up with the others")]
    CatchingUp,
    /// The canonical form is too long or not valid.
    #[error("the request has no valid canonical form")]
    Invalid,
}

/// A request on its way to the driver.
#[derive(Debug)]
pub struct Submission {
    /// The request.
    pub request: Request,
    /// Its name.
    pub id: RequestId,
    /// What its key is remembered under.
    pub key_hash: Digest,
    /// Where the answer goes; dropped without one when the driver stops.
    pub reply: oneshot::Sender<Result<Certified, SubmitError>>,
}

/// The gateway's way into the driver.
#[derive(Clone)]
pub struct Driver {
    membership: Arc<Membership>,
    ledger: Arc<Ledger>,
    submissions: mpsc::Sender<Submission>,
    latest: watch::Receiver<Option<String>>,
    patience: Duration,
}

impl Driver {
    /// The gateway's end of a new driver, and the driver's: submissions, and where it announces
    /// the newest signed checkpoint. `patience` is how long [`Driver::submit`] waits.
    pub fn channel(
        membership: Arc<Membership>,
        ledger: Arc<Ledger>,
        patience: Duration,
    ) -> (
        Self,
        mpsc::Receiver<Submission>,
        watch::Sender<Option<String>>,
    ) {
        let (submissions, received) = mpsc::channel(SUBMISSION_QUEUE);
        let (announce, latest) = watch::channel(None);
        let driver = Self {
            membership,
            ledger,
            submissions,
            latest,
            patience,
        };
        (driver, received, announce)
    }

    /// Orders a request; resolves once its answer is certified. Equal requests share the first
    /// answer, however often and wherever they are submitted.
    ///
    /// # Errors
    /// [`SubmitError`] says whether the request may have run.
    pub async fn submit(&self, request: Request) -> Result<Certified, SubmitError> {
        // Here, since many gateway tasks run at once and the driver's thread is one.
        let known = KnownRequest::parse(&request.encode());
        let known = known.ok_or(SubmitError::NotAccepted(NotAccepted::Invalid))?;
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            request,
            id: known.id,
            key_hash: known.key_hash,
            reply,
        };
        self.submissions
            .try_send(submission)
            .map_err(|error| SubmitError::NotAccepted(refusal(&error)))?;
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(answer)) => answer,
            // The driver stopped: what it had proposed may still be decided by the others.
            Ok(Err(_)) | Err(_) => Err(SubmitError::Undecided),
        }
    }

    /// Who the replicas are.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The newest checkpoint with its k cosignatures, as a signed note.
    pub fn latest_checkpoint(&self) -> Option<String> {
        self.latest.borrow().clone()
    }

    /// The certified answer remembered under a key's hash.
    ///
    /// # Errors
    /// The ledger's.
    pub fn answer_of_key(&self, key_hash: &Digest) -> Result<Option<Certified>, LedgerError> {
        self.ledger.answer_of_key(key_hash)
    }

    /// The hashes of a tile of the certified tree, behind one another.
    ///
    /// # Errors
    /// The ledger's.
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        self.ledger.tile(tile)
    }
}

fn refusal<T>(error: &mpsc::error::TrySendError<T>) -> NotAccepted {
    match error {
        mpsc::error::TrySendError::Full(_) => NotAccepted::QueueFull,
        mpsc::error::TrySendError::Closed(_) => NotAccepted::ShuttingDown,
    }
}

/// The executor's two ends.
#[derive(Debug)]
pub struct ExecutorPort {
    /// Batches to run, strictly in order. Bounded by the core's window.
    pub executions: mpsc::Receiver<Execution>,
    /// Where outcomes go, in the same order.
    pub outcomes: OutcomeSender,
    /// The last sequence where this replica's own answer was not the settled one.
    pub diverged: watch::Receiver<Option<Sequence>>,
}

/// Takes outcomes back to the driver.
#[derive(Debug, Clone)]
pub struct OutcomeSender(mpsc::Sender<(Sequence, Vec<Outcome>)>);

impl OutcomeSender {
    /// A bounded queue of outcomes.
    pub fn channel(limit: usize) -> (Self, mpsc::Receiver<(Sequence, Vec<Outcome>)>) {
        let (sender, receiver) = mpsc::channel(limit);
        (Self(sender), receiver)
    }

    /// Hands over the outcomes of a sequence, one per item; false when the driver has stopped.
    pub async fn send(&self, sequence: Sequence, outcomes: Vec<Outcome>) -> bool {
        self.0.send((sequence, outcomes)).await.is_ok()
    }
}

/// Every app call ever executed here, in order, for apps that are rebuilt by replay.
pub trait History: Send + Sync {
    /// At most `limit` executions from `sequence` on, ascending; empty past the last one. Items
    /// that did not call the app are left out, as are those settled by a verdict.
    ///
    /// # Errors
    /// The ledger's; [`LedgerError::Pruned`] where bodies from there on were dropped.
    fn calls_from(&self, sequence: Sequence, limit: usize) -> Result<Vec<Execution>, LedgerError>;

    /// The sequence in which to look for a call first: it is that one's, or it lies before.
    ///
    /// # Errors
    /// The ledger's.
    fn batch_of_call(&self, ordinal: u64) -> Result<Sequence, LedgerError>;
}

/// Where the state lies that is not what was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diverged {
    /// In the process: a new start helps.
    Memory,
    /// In its own data: a new start helps only without them.
    Data,
}

/// The app as the executor sees it; watched by the admin server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppHealth {
    /// It answers, and its state is what the ledger says.
    pub healthy: bool,
    /// It is being brought up to date.
    pub rebuilding: bool,
    /// Its state can no longer be trusted.
    pub diverged: Option<Diverged>,
    /// Cause and next step in plain words.
    pub detail: String,
}
