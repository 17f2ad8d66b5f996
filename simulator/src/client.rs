//! Clients: each sends one request at a time, with a key, and tries again at another gateway when
//! no answer comes. An answer counts only with k cosignatures over a tree that holds its leaf.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{Authority, KeySource, Membership, Request, RequestId};
use byzantine_proof::tree::verify_inclusion;
use byzantine_proof::{LeafKind, ResponseLeaf};

use crate::app::{ACCOUNTS, Operation};
use crate::fault::Fault;
use crate::ledger::Proven;
use crate::plan::Plan;
use crate::random::Random;

/// Lengths of bodies, where requests have any: mostly short ones, since all are hashed.
const BODIES: [usize; 8] = [0, 0, 1, 10, 100, 100, 1000, 70_000];

/// One request in the history that checkers look at.
#[derive(Debug, Clone)]
pub struct Call {
    /// Whose.
    pub client: usize,
    /// What was asked.
    pub operation: Operation,
    /// The request as sent.
    pub request: Request,
    /// Its name.
    pub id: RequestId,
    /// When it was sent first.
    pub invoked: u64,
    /// When its answer was accepted.
    pub returned: Option<Returned>,
}

/// An accepted answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// When.
    pub at: u64,
    /// The content.
    pub content: String,
    /// Whether the app gave it, the key table, or a verdict.
    pub kind: LeafKind,
    /// The leaf's place.
    pub position: u64,
}

/// All clients of a run.
#[derive(Debug)]
pub struct Clients {
    random: Random,
    /// The history, in the order of invocation.
    pub calls: Vec<Call>,
    /// What each client waits for: the call, and how often it was sent.
    waiting: Vec<Option<(usize, u32)>>,
    /// What each client knows of gateways.
    known: Vec<Gateways>,
    left: usize,
    reuses: bool,
    /// Gateways that nobody asks.
    shunned: Vec<usize>,
    /// Whether a refusal is taken for an answer, or asked for again elsewhere.
    content: Random,
    /// Whose keys gateways make, in worlds that forget keys: those sooner.
    keyless: Option<Random>,
    /// What requests carry beside their line, in worlds where they carry more.
    luggage: Option<Random>,
}

/// What a client with several addresses remembers: it stays where it was answered, and keeps away
/// from where it was not.
#[derive(Debug, Clone, Default)]
struct Gateways {
    asked: usize,
    good: Option<usize>,
    silent: BTreeSet<usize>,
}

/// Why a reply was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disbelief {
    /// It is no answer to what the client waits for.
    Stale,
    /// It is about another request or key.
    Foreign,
    /// Fewer than k replicas cosigned, or a cosignature is not theirs.
    Cosignatures,
    /// The leaf is not in the tree.
    Inclusion,
    /// It is true, and a refusal for want of room: the client asks elsewhere.
    Refused,
}

impl Clients {
    /// Clients that have not sent anything yet.
    pub fn new(plan: &Plan) -> Self {
        Self {
            random: Random::new(plan.options.seed, "clients"),
            calls: Vec::new(),
            waiting: vec![None; plan.clients],
            known: vec![Gateways::default(); plan.clients],
            left: plan.options.requests,
            reuses: plan.faults.has(Fault::KeyReuse),
            shunned: if plan.options.shun {
                plan.liars.clone()
            } else {
                Vec::new()
            },
            content: Random::new(plan.options.seed, "refusals"),
            keyless: (plan.faults.has(Fault::DaysPass))
                .then(|| Random::new(plan.options.seed, "keyless")),
            luggage: luggage(plan.options.seed),
        }
    }

    /// Every client has one request more, with a key of its own.
    pub fn want_more(&mut self) {
        (self.left, self.reuses) = (self.waiting.len(), false);
    }

    /// How many requests were not answered yet, sent or not.
    pub fn unanswered(&self) -> usize {
        self.left + self.waiting.iter().flatten().count()
    }

    /// One request more than was planned.
    pub const fn want_one_more(&mut self) {
        self.left += 1;
    }

    /// The next request of an idle client; `None` when all were sent.
    pub fn next(&mut self, client: usize, now: u64) -> Option<(usize, Request)> {
        if self.left == 0 || self.waiting[client].is_some() {
            return None;
        }
        self.left -= 1;
        let number = self.calls.len();
        let operation = self.operation();
        let mut own = self.calls.iter().filter(|call| call.client == client);
        let before = own.next_back().map(|call| call.request.key.clone());
        // The same request again would be the same request: it must be another one.
        let other = |key: &String| {
            let mut users = self.calls.iter().filter(|call| call.request.key == *key);
            users.all(|call| call.operation != operation)
        };
        let reused = before.filter(|key| self.reuses && other(key));
        let reused = reused.filter(|_| self.random.chance(100));
        let key = reused.unwrap_or_else(|| format!("key-{number}"));
        let (method, target) = operation.line();
        let mut request = Request {
            method: method.to_owned(),
            target,
            headers: Vec::new(),
            body: Bytes::new(),
            key,
            key_source: KeySource::Client,
        };
        self.load(&mut request);
        let id = request.id();
        self.calls.push(Call {
            client,
            operation,
            request: request.clone(),
            id,
            invoked: now,
            returned: None,
        });
        self.waiting[client] = Some((number, 1));
        Some((number, request))
    }

    /// After how long a copy of a request comes once more by itself, if it does: only where its key
    /// may be forgotten by then, else it would change nothing.
    pub fn stray(&mut self, kept: Duration) -> Option<u64> {
        let random = self.keyless.as_mut()?;
        let kept = u64::try_from(kept.as_micros()).unwrap_or(u64::MAX);
        let late = random.between(0, kept.saturating_mul(3));
        random.chance(150).then_some(late)
    }

    /// What does not change what a request asks for.
    fn load(&mut self, request: &mut Request) {
        let keyless = self.keyless.as_mut();
        if keyless.is_some_and(|random| random.chance(300)) {
            request.key_source = KeySource::Gateway;
        }
        let Some(random) = &mut self.luggage else {
            return;
        };
        for number in 0..random.below(3) {
            let value = random.number().to_string().into_bytes();
            request.headers.push((format!("x-{number}"), value));
        }
        let length = random.pick(&BODIES);
        request.body = Bytes::from(vec![b'b'; length]);
    }

    fn operation(&mut self) -> Operation {
        let account = |random: &mut Random| random.place(ACCOUNTS);
        if self.random.chance(300) {
            return Operation::Balance(account(&mut self.random));
        }
        Operation::Transfer {
            from: account(&mut self.random),
            to: account(&mut self.random),
            amount: i64::try_from(self.random.between(1, 60)).unwrap_or(1),
        }
    }

    /// Which gateway this client asks next.
    pub fn gateway(&mut self, client: usize, members: usize) -> usize {
        let curious = self.random.chance(100);
        let known = &mut self.known[client];
        let shunned = &self.shunned;
        if known.silent.len() + shunned.len() >= members {
            known.silent.clear();
        }
        let others: Vec<usize> = (0..members)
            .filter(|gateway| !known.silent.contains(gateway) && !shunned.contains(gateway))
            .collect();
        let drawn = others[self.random.place(others.len())];
        known.asked = known.good.filter(|_| !curious).unwrap_or(drawn);
        known.asked
    }

    /// The request to send again, if the client still waits after that many attempts.
    pub fn again(&mut self, client: usize, attempt: u32) -> Option<Request> {
        let (call, attempts) = self.waiting[client].as_mut()?;
        if *attempts != attempt {
            return None;
        }
        *attempts += 1;
        let known = &mut self.known[client];
        known.silent.insert(known.asked);
        known.good = None;
        Some(self.calls[*call].request.clone())
    }

    /// What a client waits for: call and attempts.
    pub fn waits(&self, client: usize) -> Option<(usize, u32)> {
        self.waiting[client]
    }

    /// An answer came. The client checks it as anyone can, offline.
    ///
    /// # Errors
    /// [`Disbelief`]; the client goes on waiting.
    pub fn reply(
        &mut self,
        client: usize,
        id: &RequestId,
        proven: &Proven,
        now: u64,
        judge: (&Membership, &dyn Authority),
    ) -> Result<(), Disbelief> {
        let (number, _) = self.waiting[client].ok_or(Disbelief::Stale)?;
        let call = &mut self.calls[number];
        if call.id != *id {
            return Err(Disbelief::Stale);
        }
        let leaf = believe(call, proven, judge)?;
        if leaf.kind == LeafKind::Limit && self.content.chance(500) {
            return Err(Disbelief::Refused);
        }
        call.returned = Some(Returned {
            at: now,
            content: String::from_utf8_lossy(&proven.answer.content).into_owned(),
            kind: leaf.kind,
            position: proven.position,
        });
        self.waiting[client] = None;
        let known = &mut self.known[client];
        known.good = Some(known.asked);
        Ok(())
    }
}

/// In one run of ten.
fn luggage(seed: u64) -> Option<Random> {
    let mut random = Random::new(seed, "luggage");
    random.chance(100).then_some(random)
}

/// The leaf of a proven answer to a call.
fn believe(
    call: &Call,
    proven: &Proven,
    (membership, authority): (&Membership, &dyn Authority),
) -> Result<ResponseLeaf, Disbelief> {
    let text = std::str::from_utf8(&proven.answer.leaf).map_err(|_| Disbelief::Foreign)?;
    let leaf = ResponseLeaf::parse(text).map_err(|_| Disbelief::Foreign)?;
    let about = leaf.request == call.id.0 && Some(leaf.key) == call.request.key_hash();
    if !about || !proven.answer.is_consistent() || leaf.origin != *membership.origin() {
        return Err(Disbelief::Foreign);
    }
    let certificate = &proven.certificate;
    let (size, root) = (certificate.size, certificate.root);
    let mut signers: Vec<_> = certificate
        .cosignatures
        .iter()
        .filter(|(by, made)| authority.verify_cosignature(*by, size, &root, made))
        .map(|(by, _)| *by)
        .collect();
    signers.sort_unstable();
    signers.dedup();
    if signers.len() < membership.reply_quorum() {
        return Err(Disbelief::Cosignatures);
    }
    let hash = proven.answer.leaf_hash();
    if verify_inclusion(hash, proven.position, size, &proven.path, root) {
        Ok(leaf)
    } else {
        Err(Disbelief::Inclusion)
    }
}
