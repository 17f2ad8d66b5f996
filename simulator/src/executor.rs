//! What the sidecar's executor promises, in virtual time: batches run on the app in order, a dead
//! app is brought back to where it was, and an answer that cannot be known is `Lost`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use byzantine_consensus::{
    Answer, Digest, Disagreement, Execution, ExecutionItem, Membership, Outcome, Place, Request,
    RequestId, Retention, Sequence, UnixMillis, Verdict, VerdictWriter, request_id,
};
use byzantine_proof::{FieldBlock, LeafKind, RequestFields, ResponseLeaf};

use crate::app::Bank;
use crate::check::refusal;
use crate::fault::Fault;
use crate::keys::expiry;
use crate::ledger::Ledger;
use crate::plan::AppKind;

/// What was asked, where, and what the app said.
type Asked = (RequestId, Sequence, u32, UnixMillis, LeafKind, String);

/// Answers in canonical form, each written once: all replicas write the same bytes.
#[derive(Debug, Clone, Default)]
pub struct Answers(Rc<RefCell<HashMap<Asked, Answer>>>);

/// An app that is not deterministic, on one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddness {
    /// It answers as none of the others does.
    Alone(u64),
    /// It answers in one of three ways, so that some others may answer alike.
    OfThree(u64),
}

impl Oddness {
    /// What is added to the answer of a call.
    fn mark(self, ordinal: u64) -> Option<u64> {
        match self {
            Self::Alone(own) => Some(own + ordinal),
            Self::OfThree(own) => {
                let mixed = (ordinal * 31 + own + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                Some((mixed >> 40) % 3).filter(|way| *way > 0)
            }
        }
    }
}

/// When an app dies in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accident {
    /// At which item.
    pub item: usize,
    /// [`Fault::AppBefore`], [`Fault::AppAfter`] or [`Fault::AppRecorded`].
    pub point: Fault,
}

/// The app of one replica, and what is to be run on it.
#[derive(Debug)]
pub struct Executor {
    kind: AppKind,
    answers: Answers,
    /// The app's state.
    pub bank: Bank,
    queue: VecDeque<Execution>,
    /// Executions handed over that the ledger does not have yet.
    history: BTreeMap<Sequence, Execution>,
    /// Outcomes of the batch that is being executed, as the sidecar notes them beside it.
    noted: (Sequence, Vec<Outcome>),
    /// How answers differ from those of other replicas, where they do.
    pub oddness: Option<Oddness>,
}

/// What running one batch came to.
#[derive(Debug)]
pub struct Ran {
    /// Which batch.
    pub sequence: Sequence,
    /// What the core is told; `None` when its log has it.
    pub outcomes: Option<Vec<Outcome>>,
    /// Each call that reached the app.
    pub calls: Vec<Called>,
    /// Whether an answer was lost.
    pub lost: bool,
}

/// A call that reached the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    /// Its number.
    pub ordinal: u64,
    /// Its request.
    pub id: RequestId,
    /// When, in agreed milliseconds.
    pub time: u64,
    /// Until when the request is remembered.
    pub expires: u64,
}

/// A request that ran twice in one line of states, with both numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twice(pub RequestId, pub u64, pub u64);

impl Executor {
    /// An app at genesis.
    pub fn new(kind: AppKind, kept: Retention, answers: Answers) -> Self {
        Self {
            kind,
            answers,
            bank: Bank::new(kept),
            queue: VecDeque::new(),
            history: BTreeMap::new(),
            noted: (Sequence(0), Vec::new()),
            oddness: None,
        }
    }

    /// Takes batches over.
    pub fn take(&mut self, executions: Vec<Execution>) {
        for execution in executions {
            self.history.insert(execution.sequence, execution.clone());
            self.queue.push_back(execution);
        }
    }

    /// Whether a batch waits to be run.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The ledger has everything up to here.
    pub fn settled(&mut self, sequence: Sequence) {
        self.history.retain(|queued, _| *queued > sequence);
    }

    /// The process is gone. An app in memory goes with it; notes beside the log may be lost.
    pub fn crash(&mut self, keeps_notes: bool) {
        self.queue.clear();
        self.history.clear();
        if !keeps_notes {
            self.noted = (Sequence(0), Vec::new());
        }
        self.app_dies();
    }

    /// Runs the next batch, if there is one.
    ///
    /// # Errors
    /// [`Twice`].
    pub fn run(
        &mut self,
        ledger: &Ledger,
        membership: &Membership,
        accident: Option<Accident>,
    ) -> Result<Option<Ran>, Twice> {
        let Some(execution) = self.queue.pop_front() else {
            return Ok(None);
        };
        if self.noted.0 != execution.sequence {
            self.noted = (execution.sequence, Vec::new());
        }
        let mut ran = Ran {
            sequence: execution.sequence,
            outcomes: None,
            calls: Vec::new(),
            lost: false,
        };
        let mut outcomes = Vec::new();
        for (place, item) in execution.items.iter().enumerate() {
            let accident = accident.filter(|accident| accident.item == place);
            let point = accident.map(|accident| accident.point);
            let outcome = self.run_item(&execution, item, (ledger, membership), point, &mut ran)?;
            if self.noted.1.len() <= place {
                self.noted.1.push(outcome.clone());
            }
            if point == Some(Fault::AppRecorded) {
                self.app_dies();
            }
            outcomes.push(outcome);
        }
        ran.lost = outcomes.contains(&Outcome::Lost);
        if execution.recorded.is_none() {
            ran.outcomes = Some(outcomes);
        }
        Ok(Some(ran))
    }

    fn run_item(
        &mut self,
        execution: &Execution,
        item: &ExecutionItem,
        (ledger, membership): (&Ledger, &Membership),
        accident: Option<Fault>,
        ran: &mut Ran,
    ) -> Result<Outcome, Twice> {
        let pair = (execution, item);
        let refused = |kind, text: &str| Ok(self.answer(membership, pair, kind, text.to_owned()));
        let ordinal = match item.verdict {
            Verdict::Call { ordinal } => ordinal,
            Verdict::Reused => return refused(LeafKind::Reused, "reused"),
            Verdict::Limit(limit) => return refused(LeafKind::Limit, &refusal(limit.gateway)),
        };
        let place = usize::try_from(item.index).unwrap_or(usize::MAX);
        if ordinal < self.bank.applied {
            return Ok(self.noted.1.get(place).cloned().unwrap_or(Outcome::Lost));
        }
        if accident == Some(Fault::AppBefore) {
            self.app_dies();
        }
        self.bring_to(ordinal, ledger)?;
        let numbered = (ordinal, execution.time.0);
        let mut content = self.call(numbered, item, ran)?;
        if accident == Some(Fault::AppAfter) {
            self.app_dies();
            self.bring_to(ordinal, ledger)?;
            content = self.call(numbered, item, ran)?;
        }
        if let Some(mark) = self.oddness.and_then(|oddness| oddness.mark(ordinal)) {
            content = format!("{content} at {mark}");
        }
        Ok(self.answer(membership, (execution, item), LeafKind::App, content))
    }

    fn answer(
        &self,
        membership: &Membership,
        (execution, item): (&Execution, &ExecutionItem),
        kind: LeafKind,
        content: String,
    ) -> Outcome {
        let (sequence, index, time) = (execution.sequence, item.index, execution.time);
        let place = Place {
            sequence,
            index,
            time,
        };
        let id = item.request_id;
        let mut answers = self.answers.0.borrow_mut();
        let known = answers.entry((id, sequence, index, time, kind, content));
        let seal = |(.., content): &Asked| sealed(membership, place, &item.request, kind, content);
        Outcome::Answer(known.or_insert_with_key(seal).clone())
    }

    /// A durable app that has executed this call answers as it did.
    fn call(
        &mut self,
        (ordinal, time): (u64, u64),
        item: &ExecutionItem,
        ran: &mut Ran,
    ) -> Result<String, Twice> {
        if self.bank.applied == ordinal {
            return Ok(self.bank.last.clone());
        }
        let id = item.request_id;
        ran.calls.push(Called {
            ordinal,
            id,
            time,
            expires: expiry(&self.bank.kept(), item.request.key_source, time),
        });
        let called = self.bank.call((ordinal, time), id, &item.request);
        called.map_err(|before| Twice(id, before, ordinal))
    }

    fn app_dies(&mut self) {
        if self.kind == AppKind::Memory {
            self.bank = Bank::new(self.bank.kept());
        }
    }

    /// Replays every call before `ordinal` that the app has not executed.
    fn bring_to(&mut self, ordinal: u64, ledger: &Ledger) -> Result<(), Twice> {
        if self.bank.applied + 1 >= ordinal {
            return Ok(());
        }
        let applied = self.bank.applied;
        let bank = &mut self.bank;
        let mut replay = |(number, time): (u64, u64), id: RequestId, request: &Request| {
            if number <= bank.applied || number >= ordinal {
                return Ok(());
            }
            let called = bank.call((number, time), id, request);
            called.map(drop).map_err(|before| Twice(id, before, number))
        };
        let lacking = ledger.entries().iter();
        for entry in lacking.filter(|entry| entry.ordinal > applied) {
            let requests: BTreeMap<RequestId, &Bytes> = entry
                .requests
                .iter()
                .map(|bytes| (request_id(bytes), bytes))
                .collect();
            for settled in entry
                .answers
                .iter()
                .filter(|settled| is_app_leaf(&settled.answer))
            {
                let bytes = requests.get(&settled.request_id);
                let request = bytes.and_then(|bytes| Request::decode(bytes));
                if let (Verdict::Call { ordinal }, Some(request)) = (settled.verdict, request) {
                    replay((ordinal, entry.time.0), settled.request_id, &request)?;
                }
            }
        }
        for execution in self.history.values() {
            for item in &execution.items {
                if let Verdict::Call { ordinal } = item.verdict {
                    let numbered = (ordinal, execution.time.0);
                    replay(numbered, item.request_id, &item.request)?;
                }
            }
        }
        // Numbers whose calls count for nothing are passed over.
        self.bank.applied = self.bank.applied.max(ordinal - 1);
        Ok(())
    }
}

/// Whether an app gave this answer, rather than the replicas about one.
pub fn is_app_leaf(answer: &Answer) -> bool {
    let text = std::str::from_utf8(&answer.leaf).ok();
    let leaf = text.and_then(|text| ResponseLeaf::parse(text).ok());
    leaf.is_some_and(|leaf| leaf.kind == LeafKind::App)
}

/// The verdict of a bank: what differed, in words.
#[derive(Debug)]
pub struct Verdicts(pub Membership);

impl VerdictWriter for Verdicts {
    fn verdict(&self, place: Place, request: &Request, why: &Disagreement) -> Answer {
        let content = format!("{} answers, {} lost", why.answers, why.lost);
        sealed(&self.0, place, request, LeafKind::Verdict, &content)
    }
}

fn sealed(
    membership: &Membership,
    place: Place,
    request: &Request,
    kind: LeafKind,
    content: &str,
) -> Answer {
    let none = RequestFields::new([]).expect("no fields are valid fields");
    let block = FieldBlock::build(none, [("content-type", &b"text/plain"[..])]);
    let block = block.expect("one plain field makes a block");
    let request_digest = request.id().0;
    let key = request.key_hash().unwrap_or(request_digest);
    let leaf = ResponseLeaf {
        origin: membership.origin().clone(),
        sequence: place.sequence.0,
        index: place.index,
        time_ms: place.time.0,
        key,
        request: request_digest,
        status: match kind {
            LeafKind::App => 200,
            LeafKind::Reused => 422,
            _ => 502,
        },
        kind,
        fields: block.digest(),
        content_length: content.len() as u64,
        content: Digest::of(content.as_bytes()),
        state: None,
    };
    Answer {
        leaf: Bytes::from(leaf.to_text()),
        request_fields: Vec::new(),
        fields: Bytes::from(block.to_text()),
        content: Bytes::copy_from_slice(content.as_bytes()),
    }
}
