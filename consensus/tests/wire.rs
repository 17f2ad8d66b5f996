//! The bytes between peers and in the log, recorded: a change of them is a change of version.
//!
//! `BYZANTINE_REWRITE=1 cargo test -p byzantine-consensus` records them anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use byzantine_consensus::{
    Abstention, Admission, Answer, Attestation, Batch, Certificate, CheckpointCertificate,
    CommitCertificate, Entry, Envelope, Evidence, Fetch, Frame, KeySource, Message, NewView,
    Outcome, PreparedCertificate, Promise, PromisedAnswer, Record, ReplicaId, Request, RequestId,
    Resolution, ResultVote, Sequence, SettledAnswer, SignedMessage, StatusReport, Subject, Supply,
    Suspicion, UnixMillis, Verdict, View, ViewChange, Vote,
};
use byzantine_proof::{Cosignature, Digest, Signature};
use proptest::prelude::*;

#[test]
fn every_kind_has_its_recorded_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire.txt");
    let mut printed = String::new();
    for (name, bytes) in samples() {
        let hex: String = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(printed, "{name} {hex}").unwrap();
    }
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        printed, recorded,
        "the wire changed: raise its version, then record it anew"
    );
}

#[test]
fn frames_and_records_return_what_went_in() {
    for frame in frames() {
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
    }
    for record in records() {
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
}

#[test]
fn cut_or_longer_bytes_are_refused() {
    for frame in frames() {
        let bytes = frame.encode();
        for end in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..end]), None);
        }
        assert_eq!(Frame::decode(&[&bytes[..], b"\0"].concat()), None);
    }
}

proptest! {
    /// Whatever a peer sends is read or refused; nothing else happens.
    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Frame::decode(&bytes);
        let _ = Record::decode(&bytes);
        let _ = Batch::decode(&bytes);
        let _ = Request::decode(&bytes);
    }

    /// One flipped byte never decodes to the same value: there is one encoding each.
    #[test]
    fn no_two_encodings_mean_the_same(place in any::<proptest::sample::Index>(), flip in 1_u8..) {
        for frame in frames() {
            let mut bytes = frame.encode().to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            prop_assert_ne!(Frame::decode(&bytes), Some(frame));
        }
    }
}

fn samples() -> Vec<(String, Bytes)> {
    let messages = messages()
        .into_iter()
        .map(|it| (it.kind().to_owned(), it.encode()));
    let numbered = |name: &'static str| move |place: usize| format!("{name}-{place}");
    let frames = frames().into_iter().enumerate();
    let frames = frames.map(|(place, it)| (numbered("frame")(place), it.encode()));
    let records = records().into_iter().enumerate();
    let records = records.map(|(place, it)| (numbered("record")(place), it.encode()));
    let rest = [("request", request().encode()), ("batch", batch().encode())];
    let rest = rest
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes));
    messages.chain(frames).chain(records).chain(rest).collect()
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn request() -> Request {
    Request {
        method: "POST".into(),
        target: "/a?b=c".into(),
        headers: vec![("accept".into(), b"*/*".to_vec())],
        body: Bytes::from_static(b"body"),
        key: "key".into(),
        key_source: KeySource::Gateway,
    }
}

fn word((gateway, as_of): (u8, u64)) -> Admission {
    Admission {
        gateway: ReplicaId(gateway),
        as_of: Sequence(as_of),
    }
}

fn batch() -> Batch {
    let requests = vec![RequestId(digest(1)), RequestId(digest(2))];
    Batch {
        sequence: Sequence(7),
        time: Some(UnixMillis(1000)),
        requests,
        admissions: [(0, 3), (2, 5)].map(word).to_vec(),
        resolutions: vec![Resolution {
            sequence: Sequence(6),
            leaves: 2,
            evidence: Evidence::Promises(vec![signed()]),
        }],
    }
}

fn vote() -> Vote {
    Vote {
        view: View(3),
        sequence: Sequence(7),
        digest: digest(4),
    }
}

fn signed() -> SignedMessage {
    SignedMessage {
        sender: ReplicaId(2),
        digests: vec![digest(5)],
        message: Message::Prepare(vote()).encode(),
        signature: Signature::from_bytes([6; 64]),
    }
}

fn cosignature() -> Cosignature {
    Cosignature {
        time_seconds: 9,
        signature: Signature::from_bytes([7; 64]),
    }
}

fn certificate() -> Certificate {
    Certificate {
        sequence: Sequence(7),
        size: 12,
        root: digest(8),
        cosignatures: vec![(ReplicaId(1), cosignature())],
    }
}

fn stable() -> CheckpointCertificate {
    CheckpointCertificate {
        certificate: certificate(),
        batch_leaf: "leaf".into(),
        path: vec![digest(9)],
    }
}

fn prepared() -> PreparedCertificate {
    PreparedCertificate {
        pre_prepare: signed(),
        prepares: vec![signed()],
    }
}

fn answer() -> Answer {
    Answer {
        leaf: Bytes::from_static(b"leaf"),
        request_fields: vec!["accept".into()],
        fields: Bytes::from_static(b"fields"),
        content: Bytes::from_static(b"content"),
    }
}

fn messages() -> Vec<Message> {
    let view_change = ViewChange {
        view: View(4),
        suspicions: vec![signed()],
        stable: Some(stable()),
        prepared: vec![prepared()],
    };
    let attestation = Attestation {
        sequence: Sequence(7),
        size: 12,
        root: digest(8),
        cosignature: cosignature(),
    };
    let subject = Subject::Request(RequestId(digest(1)));
    let leaves = vec![Some(digest(3)), None];
    vec![
        Message::Requests {
            as_of: Sequence(7),
            requests: vec![request().encode()],
        },
        Message::PrePrepare(vote()),
        Message::Prepare(vote()),
        Message::Commit(vote()),
        Message::Result(ResultVote {
            sequence: Sequence(7),
            leaves,
        }),
        Message::Attest(attestation),
        Message::Suspect(Suspicion {
            view: View(3),
            subject,
        }),
        Message::ViewChange(view_change),
        Message::NewView(NewView {
            view: View(4),
            view_changes: vec![signed()],
        }),
        Message::Status(StatusReport {
            view: View(3),
            changing: true,
            ..Default::default()
        }),
        Message::Promise(Promise {
            sequence: Sequence(7),
            leaves: vec![Some(digest(3)), None],
            answers: vec![PromisedAnswer {
                index: 0,
                leaf: Bytes::from_static(b"leaf"),
                fields: Bytes::from_static(b"fields"),
            }],
        }),
        Message::Admitted {
            as_of: Sequence(7),
            names: vec![RequestId(digest(1))],
        },
    ]
}

fn envelope() -> Envelope {
    Envelope {
        sender: ReplicaId(2),
        messages: vec![Message::Prepare(vote()).encode()],
        signature: Signature::from_bytes([6; 64]),
    }
}

fn frames() -> Vec<Frame> {
    let (sequence, index) = (Sequence(7), 1);
    let settled = SettledAnswer {
        request_id: RequestId(digest(1)),
        key_hash: digest(2),
        verdict: Verdict::Call { ordinal: 5 },
        gateway: ReplicaId(2),
        expires: UnixMillis(2000),
        answer: answer(),
    };
    let entry = Entry {
        batch: batch().encode(),
        requests: vec![request().encode()],
        commit: CommitCertificate {
            vote: vote(),
            commits: vec![signed()],
        },
        answers: vec![settled],
        certificate: certificate(),
    };
    vec![
        Frame::Envelope {
            envelope: envelope(),
            batches: vec![batch().encode()],
        },
        Frame::Relay(vec![signed()]),
        Frame::Fetch(Fetch::Batches(vec![digest(1)])),
        Frame::Fetch(Fetch::Requests(vec![RequestId(digest(1))])),
        Frame::Fetch(Fetch::Entries(sequence)),
        Frame::Fetch(Fetch::Outcome { sequence, index }),
        Frame::Fetch(Fetch::Proposal(sequence)),
        Frame::Supply(Supply::Batches(vec![batch().encode()])),
        Frame::Supply(Supply::Requests(vec![request().encode()])),
        Frame::Supply(Supply::Entries(vec![entry])),
        Frame::Supply(Supply::Outcome {
            sequence,
            index,
            answer: answer(),
        }),
    ]
}

fn records() -> Vec<Record> {
    vec![
        Record::Requests(2, vec![request().encode()]),
        Record::Batch(batch().encode()),
        Record::Own(envelope()),
        Record::Accepted(signed()),
        Record::Prepared(prepared()),
        Record::Committed(CommitCertificate {
            vote: vote(),
            commits: vec![signed()],
        }),
        Record::Executed(Sequence(7), vec![Outcome::Answer(answer()), Outcome::Lost]),
        Record::Stable(Box::new(stable())),
        Record::Abstaining(Abstention::Unbounded),
        Record::Abstaining(Abstention::Until {
            sequence: Sequence(300),
            view: View(4),
        }),
    ]
}
