//! What happened: a hash over every event, one readable line for each when asked for, and counts
//! of everything that a run exercised.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::BuildHasherDefault;

use bytes::Bytes;
use byzantine_consensus::{Batch, Fetch, Frame, Message, RequestId, Subject, Supply, request_id};

use crate::say::say;

/// The record of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    events: u64,
    /// Whether lines are printed.
    pub verbose: bool,
    /// How often each thing happened.
    pub counts: BTreeMap<String, u64>,
    /// By where the name stands in memory, which is quicker to look up than its letters.
    fast: HashMap<usize, (&'static str, u64), BuildHasherDefault<crate::random::Mixer>>,
}

impl Trace {
    /// Mixes an event into the hash.
    pub fn event(&mut self, parts: [u64; 4]) {
        self.events += 1;
        for part in parts {
            self.hash = (self.hash ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.hash ^= self.hash >> 31;
        }
    }

    /// The hash over all events so far.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Counts one occurrence.
    pub fn count(&mut self, what: &'static str) {
        let place = what.as_ptr() as usize;
        self.fast.entry(place).or_insert((what, 0)).1 += 1;
    }

    /// All counts.
    pub fn take_counts(&mut self) -> BTreeMap<String, u64> {
        let fast = std::mem::take(&mut self.fast);
        let mut counts = std::mem::take(&mut self.counts);
        for (name, count) in fast.into_values() {
            *counts.entry(name.to_owned()).or_default() += count;
        }
        counts
    }

    /// Prints a line, if lines are wanted.
    pub fn line(&self, now: u64, text: impl FnOnce() -> String) {
        if self.verbose {
            say!("{:>4}.{:06} {}", now / 1_000_000, now % 1_000_000, text());
        }
    }
}

/// A frame in words.
pub fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Envelope { envelope, batches } => {
            let mut text = envelope
                .messages
                .iter()
                .fold(String::new(), |mut text, bytes| {
                    let message = borsh::from_slice::<Message>(bytes);
                    let words = message.map_or_else(|_| "garbage".to_owned(), |it| words(&it));
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{words} ");
                    text
                });
            for batch in batches.iter().filter_map(|bytes| Batch::decode(bytes)) {
                let requests = names(batch.requests.iter());
                let (sequence, resolved) = (batch.sequence, batch.resolutions.len());
                let _ = write!(text, "+s{sequence}: [{requests}], {resolved} resolved ");
            }
            text
        }
        Frame::Relay(messages) => {
            let mut text = "RELAY ".to_owned();
            for signed in messages {
                let message = borsh::from_slice::<Message>(&signed.message);
                let words = message.map_or_else(|_| "garbage".to_owned(), |it| words(&it));
                let _ = write!(text, "[{}: {words}] ", signed.sender);
            }
            text
        }
        Frame::Fetch(Fetch::Batches(names)) => format!("FETCH {} batches", names.len()),
        Frame::Fetch(Fetch::Requests(ids)) => format!("FETCH requests [{}]", names(ids.iter())),
        Frame::Fetch(Fetch::Proposal(sequence)) => format!("FETCH proposal {sequence}"),
        Frame::Fetch(Fetch::Entries(first)) => format!("FETCH entries from {first}"),
        Frame::Fetch(Fetch::Outcome { sequence, index }) => {
            format!("FETCH outcome {sequence}/{index}")
        }
        Frame::Supply(Supply::Batches(items)) => format!("SUPPLY {} batches", items.len()),
        Frame::Supply(Supply::Requests(items)) => format!("SUPPLY requests [{}]", ids(items)),
        Frame::Supply(Supply::Entries(items)) => format!("SUPPLY {} entries", items.len()),
        Frame::Supply(Supply::Outcome {
            sequence, index, ..
        }) => {
            format!("SUPPLY outcome {sequence}/{index}")
        }
        #[allow(unreachable_patterns, reason = "the core may learn new frames")]
        _ => "a frame".to_owned(),
    }
}

/// A message in words.
pub fn words(message: &Message) -> String {
    let kind = message.kind();
    match message {
        Message::Requests { as_of, requests } => format!("{kind}(@{as_of} {})", ids(requests)),
        Message::PrePrepare(vote) | Message::Prepare(vote) | Message::Commit(vote) => {
            let digest = vote.digest.to_string();
            format!("{kind}(v{} s{} {})", vote.view, vote.sequence, &digest[..6])
        }
        Message::Result(vote) => format!("{kind}(s{} x{})", vote.sequence, vote.leaves.len()),
        Message::Promise(promise) => {
            format!("{kind}(s{} x{})", promise.sequence, promise.leaves.len())
        }
        Message::Attest(vote) => format!("{kind}(s{} size {})", vote.sequence, vote.size),
        Message::Suspect(vote) => format!("{kind}(v{} {})", vote.view, subject(vote.subject)),
        Message::ViewChange(vote) => {
            format!("{kind}(v{} {} prepared)", vote.view, vote.prepared.len())
        }
        Message::NewView(vote) => format!("{kind}(v{})", vote.view),
        Message::Status(report) => format!(
            "{kind}(v{}{} stable {} committed {} executed {} certified {})",
            report.view,
            if report.changing { "?" } else { "" },
            report.stable,
            report.committed,
            report.executed,
            report.certified
        ),
        #[allow(unreachable_patterns, reason = "the core may learn new messages")]
        Message::Admitted { as_of, .. } => format!("{kind}(@{as_of})"),
    }
}

fn ids(requests: &[Bytes]) -> String {
    let ids: Vec<RequestId> = requests.iter().map(|bytes| request_id(bytes)).collect();
    names(ids.iter())
}

/// The first digits of each name.
fn names<'a>(ids: impl Iterator<Item = &'a RequestId>) -> String {
    let short = ids.map(|id| id.to_string()[..6].to_owned());
    short.collect::<Vec<_>>().join(" ")
}

fn subject(subject: Subject) -> String {
    match subject {
        Subject::Request(id) => format!("request {}", &id.to_string()[..6]),
        Subject::Sequence(sequence) => format!("sequence {sequence}"),
        Subject::NewView => "new view".to_owned(),
        Subject::Slow => "a slow primary".to_owned(),
        Subject::Answered => "what is answered".to_owned(),
        Subject::Abstention => "its own silence".to_owned(),
    }
}
