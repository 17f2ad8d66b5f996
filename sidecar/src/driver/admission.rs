//! Requests of this gateway: who waits for which, and how many are abroad.
//!
//! A request is waiting (not sent yet), abroad (sent, not settled) or answered (settled, not
//! certified). Equal requests share one place. All three together are bounded.

use std::collections::{BTreeMap, VecDeque};

use byzantine_consensus::limits::GATEWAY_REQUESTS;
use byzantine_consensus::{Answer, ReplicaId, Request, RequestId, Settlement, Verdict};
use byzantine_proof::TlogProof;
use tokio::sync::oneshot;

use crate::submission::{Certified, NotAccepted, Submission, SubmitError};

/// Requests that may wait until fewer are abroad.
const WAITING: usize = 4096;

/// Clients that may wait for one request.
const REPLIES: usize = 64;

/// Bytes of bodies sent in one tick, so that they fit into one frame; one request always goes.
const TICK_BYTES: usize = 8 << 20;

type ReplySender = oneshot::Sender<Result<Certified, SubmitError>>;

/// All requests that somebody here waits for.
#[derive(Debug, Default)]
pub(super) struct Admission {
    pending: BTreeMap<RequestId, Pending>,
    waiting: VecDeque<RequestId>,
    answered: Vec<RequestId>,
    abroad: usize,
}

#[derive(Debug)]
struct Pending {
    replies: Vec<ReplySender>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting(Request),
    Abroad,
    Answered { answer: Answer, position: u64 },
}

impl Admission {
    /// Takes a request whose answer the ledger does not have.
    pub(super) fn accept(&mut self, submission: Submission) {
        let Submission {
            request, id, reply, ..
        } = submission;
        if let Some(pending) = self.pending.get_mut(&id) {
            if pending.replies.len() < REPLIES {
                pending.replies.push(reply);
            } else {
                refuse(reply, NotAccepted::QueueFull);
            }
        } else if self.waiting.len() < WAITING {
            self.waiting.push_back(id);
            let stage = Stage::Waiting(request);
            let replies = vec![reply];
            self.pending.insert(id, Pending { replies, stage });
        } else {
            refuse(reply, NotAccepted::QueueFull);
        }
    }

    /// The requests that may go abroad now. Those that nobody waits for any more are dropped:
    /// they were never sent.
    pub(super) fn admit(&mut self) -> Vec<Request> {
        let (mut admitted, mut bytes) = (Vec::new(), 0);
        while self.abroad < GATEWAY_REQUESTS && bytes < TICK_BYTES {
            let Some(id) = self.waiting.pop_front() else {
                break;
            };
            let Some(pending) = self.pending.get_mut(&id) else {
                continue;
            };
            if !matches!(pending.stage, Stage::Waiting(_)) {
                continue;
            }
            if pending.replies.iter().all(oneshot::Sender::is_closed) {
                self.pending.remove(&id);
                continue;
            }
            let stage = std::mem::replace(&mut pending.stage, Stage::Abroad);
            if let Stage::Waiting(request) = stage {
                bytes += request.body.len();
                self.abroad += 1;
                admitted.push(request);
            }
        }
        admitted
    }

    /// Notes the answers of a settled sequence. That another gateway has no room is no answer here:
    /// the request waits on in this one's name.
    pub(super) fn settle(&mut self, own: ReplicaId, settlement: &Settlement) {
        for (settled, position) in settlement.answers.iter().zip(settlement.size_before..) {
            let elsewhere = settled.gateway != own;
            if elsewhere && matches!(settled.verdict, Verdict::Limit(_)) {
                continue;
            }
            let id = settled.request_id;
            let Some(pending) = self.pending.get_mut(&id) else {
                continue;
            };
            let answer = settled.answer.clone();
            let before =
                std::mem::replace(&mut pending.stage, Stage::Answered { answer, position });
            match before {
                Stage::Abroad => self.abroad -= 1,
                Stage::Answered { .. } => continue,
                Stage::Waiting(_) => {}
            }
            self.answered.push(id);
        }
    }

    /// Answers everybody whose leaf `prove` can prove; returns how many.
    pub(super) fn certify<E>(
        &mut self,
        mut prove: impl FnMut(&Answer, u64) -> Result<Option<TlogProof>, E>,
    ) -> Result<u64, E> {
        let mut replied = 0;
        for id in std::mem::take(&mut self.answered) {
            let Some(Pending {
                stage: Stage::Answered { answer, position },
                ..
            }) = self.pending.get(&id)
            else {
                continue;
            };
            let Some(proof) = prove(answer, *position)? else {
                self.answered.push(id);
                continue;
            };
            let (answer, position) = (answer.clone(), *position);
            let certified = Certified {
                answer,
                position,
                proof,
            };
            replied += self.reply(&id, &certified);
        }
        Ok(replied)
    }

    /// Whether more may go abroad now.
    pub(super) fn has_more(&self) -> bool {
        !self.waiting.is_empty() && self.abroad < GATEWAY_REQUESTS
    }

    /// Requests not sent yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests sent and not settled.
    pub(super) fn abroad(&self) -> usize {
        self.abroad
    }

    /// Requests for which somebody waits.
    pub(super) fn awaited(&self) -> usize {
        let live = |pending: &&Pending| pending.replies.iter().any(|reply| !reply.is_closed());
        self.pending.values().filter(live).count()
    }

    fn reply(&mut self, id: &RequestId, certified: &Certified) -> u64 {
        let Some(pending) = self.pending.remove(id) else {
            return 0;
        };
        let sent = pending.replies.into_iter();
        // A client that has gone is no error.
        let sent = sent.filter_map(|reply| reply.send(Ok(certified.clone())).ok());
        sent.count() as u64
    }
}

pub(super) fn refuse(reply: ReplySender, cause: NotAccepted) {
    // A client that has gone needs no refusal.
    let _ = reply.send(Err(SubmitError::NotAccepted(cause)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use byzantine_consensus::{KeySource, Limit, Sequence, SettledAnswer, UnixMillis};
    use byzantine_proof::Digest;

    type Reply = oneshot::Receiver<Result<Certified, SubmitError>>;

    fn submission(key: &str, body: usize) -> (Submission, Reply) {
        let request = Request {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers: Vec::new(),
            body: Bytes::from(vec![b'x'; body]),
            key: key.to_owned(),
            key_source: KeySource::Client,
        };
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            id: request.id(),
            key_hash: request.key_hash().unwrap(),
            request,
            reply,
        };
        (submission, answer)
    }

    fn fill(admission: &mut Admission, count: usize) -> Vec<Reply> {
        let keys = 0..count;
        let accept = |key: usize| {
            let (submission, reply) = submission(&key.to_string(), 0);
            admission.accept(submission);
            reply
        };
        keys.map(accept).collect()
    }

    #[test]
    fn as_many_as_the_quota_go_abroad_and_the_rest_waits() {
        let mut admission = Admission::default();
        let _replies = fill(&mut admission, GATEWAY_REQUESTS + 10);
        assert_eq!(admission.admit().len(), GATEWAY_REQUESTS);
        assert_eq!(
            (admission.abroad(), admission.waiting()),
            (GATEWAY_REQUESTS, 10)
        );
        assert!(admission.admit().is_empty() && !admission.has_more());
    }

    #[test]
    fn beyond_the_limit_requests_are_refused_at_once() {
        let mut admission = Admission::default();
        let mut replies = fill(&mut admission, WAITING + 1);
        let last = replies.pop().unwrap().try_recv().unwrap();
        assert_eq!(last, Err(SubmitError::NotAccepted(NotAccepted::QueueFull)));
        assert!(replies[0].try_recv().is_err());
    }

    #[test]
    fn equal_requests_share_one_place() {
        let mut admission = Admission::default();
        let (first, _one) = submission("k", 0);
        let (second, _two) = submission("k", 0);
        admission.accept(first);
        admission.accept(second);
        assert_eq!(admission.admit().len(), 1);
        assert_eq!(admission.awaited(), 1);
    }

    #[test]
    fn what_nobody_waits_for_is_never_sent() {
        let mut admission = Admission::default();
        drop(fill(&mut admission, 3));
        assert!(admission.admit().is_empty());
        assert_eq!((admission.abroad(), admission.awaited()), (0, 0));
    }

    /// A sequence in which a request meets the limit of a gateway.
    fn limited_by(gateway: ReplicaId, id: RequestId) -> Settlement {
        let limit = Limit {
            gateway,
            keys: 1,
            seconds: 1,
        };
        let answer = Answer {
            leaf: Bytes::new(),
            request_fields: vec![],
            fields: Bytes::new(),
            content: Bytes::new(),
        };
        let settled = SettledAnswer {
            request_id: id,
            key_hash: Digest::of(b"k"),
            verdict: Verdict::Limit(limit),
            gateway,
            expires: UnixMillis(0),
            answer,
        };
        Settlement {
            sequence: Sequence(1),
            time: UnixMillis(0),
            batch: Bytes::new(),
            requests: vec![],
            commit_certificate: Bytes::new(),
            answers: vec![settled],
            batch_leaf: Bytes::new(),
            size_before: 0,
            size: 2,
            root: Digest::of(b""),
            ordinal: 0,
            forgotten: Sequence(0),
        }
    }

    #[test]
    fn only_the_own_limit_is_an_answer() {
        let mut admission = Admission::default();
        let (submission, _reply) = submission("k", 0);
        let id = submission.id;
        admission.accept(submission);
        assert_eq!(admission.admit().len(), 1);
        admission.settle(ReplicaId(1), &limited_by(ReplicaId(0), id));
        assert_eq!((admission.abroad(), admission.answered.len()), (1, 0));
        admission.settle(ReplicaId(1), &limited_by(ReplicaId(1), id));
        assert_eq!((admission.abroad(), admission.answered.len()), (0, 1));
    }

    #[test]
    fn large_bodies_go_in_several_ticks() {
        let mut admission = Admission::default();
        let bodies = ["a", "b", "c"].map(|key| submission(key, TICK_BYTES / 2 + 1));
        let replies = bodies.map(|(submission, reply)| {
            admission.accept(submission);
            reply
        });
        assert_eq!(admission.admit().len(), 2);
        assert!(admission.has_more());
        assert_eq!(admission.admit().len(), 1);
        drop(replies);
    }
}
