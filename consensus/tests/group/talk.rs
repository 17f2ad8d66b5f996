//! Who told whom what, and wrote what down: each line once, with how often.

use std::collections::BTreeMap;

use byzantine_consensus::{
    Authority, Fetch, Frame, Message, Record, Released, SignedMessage, Supply, open_one,
};
use byzantine_proof::Digest;

/// What was said since it was last read.
#[derive(Default)]
pub struct Talk {
    lines: BTreeMap<(usize, String), usize>,
}

impl Talk {
    /// Notes what one member's step brought about.
    pub fn note(&mut self, id: usize, released: &Released, judge: (&Digest, &dyn Authority)) {
        for message in released.messages.iter().flatten() {
            self.add(id, said(message, judge));
        }
        for (peer, frame) in &released.direct {
            for line in lines(frame, judge) {
                self.add(id, line.replace("{peer}", &peer.to_string()));
            }
        }
    }

    /// Notes a record of its log.
    pub fn note_record(&mut self, id: usize, record: &[u8]) {
        let record = format!("{:?}", Record::decode(record).expect("a record decodes"));
        let kind = record.split(['(', ' ']).next().unwrap_or_default();
        self.add(id, format!("records {kind}"));
    }

    /// A line each, by speaker.
    pub fn take(&mut self) -> String {
        let lines = std::mem::take(&mut self.lines).into_iter();
        let counted = lines.map(|((id, line), count)| match count {
            1 => format!("{id}: {line}\n"),
            _ => format!("{id}: {line} ({count} times)\n"),
        });
        counted.collect()
    }

    fn add(&mut self, id: usize, line: String) {
        *self.lines.entry((id, line)).or_default() += 1;
    }
}

fn said(message: &Message, judge: (&Digest, &dyn Authority)) -> String {
    match message {
        Message::Promise(promise) => format!("says PROMISE of {} answers", promise.answers.len()),
        Message::ViewChange(vote) if !vote.prepared.is_empty() => {
            let prepared = vote.prepared.iter();
            let prepared = prepared.map(|certificate| place(&certificate.pre_prepare, judge));
            let prepared: Vec<String> = prepared.collect();
            format!("says VIEW-CHANGE with {} prepared", prepared.join(", "))
        }
        _ => format!("says {}", message.kind()),
    }
}

fn place(signed: &SignedMessage, (origin, authority): (&Digest, &dyn Authority)) -> String {
    let opened = open_one(origin, signed, authority).expect("it speaks the truth");
    match opened.body() {
        Message::PrePrepare(vote) => format!("{} of view {}", vote.sequence, vote.view),
        other => other.kind().to_owned(),
    }
}

fn lines(frame: &Frame, (origin, authority): (&Digest, &dyn Authority)) -> Vec<String> {
    match frame {
        Frame::Envelope { .. } | Frame::State(_) => vec![],
        Frame::Relay(messages) => {
            let kind = |signed| {
                let opened = open_one(origin, signed, authority).expect("it speaks the truth");
                let kind = Message::kind(opened.body());
                format!("shows {{peer}} a {kind} of {}", opened.sender())
            };
            messages.iter().map(kind).collect()
        }
        Frame::Fetch(fetch) => vec![format!("asks {{peer}} for {}", asked(fetch))],
        Frame::Supply(supply) => vec![format!("gives {{peer}} {}", given(supply))],
    }
}

fn asked(fetch: &Fetch) -> String {
    match fetch {
        Fetch::Batches(digests) => format!("{} batches", digests.len()),
        Fetch::Requests(names) => format!("{} requests", names.len()),
        Fetch::Entries(first) => format!("entries from {first}"),
        Fetch::Outcome { sequence, index } => format!("its answer {sequence}/{index}"),
        Fetch::Proposal(sequence) => format!("the proposal at {sequence}"),
    }
}

fn given(supply: &Supply) -> String {
    match supply {
        Supply::Batches(batches) => format!("{} batches", batches.len()),
        Supply::Requests(requests) => format!("{} requests", requests.len()),
        Supply::Entries(entries) => format!("{} entries", entries.len()),
        Supply::Outcome {
            sequence, index, ..
        } => format!("its answer {sequence}/{index}"),
    }
}
