//! The one thread that owns the database; requests reach it through a bounded channel, in order.

use std::io;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::answer::Answer;
use crate::operation::Operation;
use crate::ordinal::Ordinal;
use crate::refusal::Refusal;
use crate::store::Store;

/// Requests that may wait for the writer; more wait in their connections.
const WAITING_REQUESTS: usize = 256;

/// A request on its way to the writer.
struct Job {
    task: Task,
    reply: oneshot::Sender<Answer>,
}

/// What is to be done.
pub enum Task {
    /// A request.
    CarryOut(Option<Ordinal>, Result<Operation, Refusal>),
    /// To tell the whole state.
    Give,
    /// To replace the whole state.
    Take(Bytes),
}

/// Sends requests to the writer's thread. When all clones are gone, the thread ends.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// How the writer's thread ended; pending until it does.
pub type Ending = oneshot::Receiver<Option<rusqlite::Error>>;

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, if it grants no thread.
    pub fn start(store: Store) -> io::Result<(Self, Ending)> {
        let (jobs, received) = mpsc::channel(WAITING_REQUESTS);
        let (ended, ending) = oneshot::channel();
        thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                // Nobody may be left to be told.
                let _ = ended.send(work(store, received).err());
            })?;
        Ok((Self { jobs }, ending))
    }

    /// Does a task; `None` if the database failed, so that there is no answer.
    pub async fn work(&self, task: Task) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { task, reply }).await.ok()?;
        answer.await.ok()
    }
}

/// Works until all senders are gone or the database fails: after that nothing it says is certain.
fn work(mut store: Store, mut jobs: mpsc::Receiver<Job>) -> Result<(), rusqlite::Error> {
    while let Some(job) = jobs.blocking_recv() {
        let answer = match job.task {
            Task::CarryOut(ordinal, asked) => store.carry_out(ordinal, &asked)?,
            Task::Give => store.snapshot()?,
            Task::Take(bytes) => store.restore(&bytes)?,
        };
        // The client may have gone; what it asked for is done all the same.
        let _ = job.reply.send(answer);
    }
    Ok(())
}
