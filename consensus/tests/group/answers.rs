//! What the app of the group answers, in canonical form, and what is said where apps differ.

use bytes::Bytes;
use byzantine_consensus::{
    Answer, Disagreement, Execution, Membership, Place, Request, Verdict, VerdictWriter,
};
use byzantine_proof::{Digest, FieldBlock, LeafKind, RequestFields, ResponseLeaf};

pub(super) fn answer(
    execution: &Execution,
    index: u32,
    body: String,
    long_field: usize,
    membership: &Membership,
) -> Answer {
    let item = &execution.items[usize::try_from(index).unwrap()];
    let place = Place {
        sequence: execution.sequence,
        index,
        time: execution.time,
    };
    let (kind, status) = match item.verdict {
        Verdict::Call { .. } => (LeafKind::App, 200),
        Verdict::Reused => (LeafKind::Reused, 422),
        Verdict::Limit(_) => (LeafKind::Limit, 429),
    };
    let said = (kind, status, body, long_field);
    seal(membership, place, &item.request, said)
}

fn seal(
    membership: &Membership,
    place: Place,
    request: &Request,
    (kind, status, body, long_field): (LeafKind, u16, String, usize),
) -> Answer {
    let names = RequestFields::new([]).unwrap();
    let long = "x".repeat(long_field);
    let long = (long_field > 0).then_some(("x-long", long.as_bytes()));
    let fields = std::iter::once(("content-type", &b"text/plain"[..])).chain(long);
    let block = FieldBlock::build(names, fields).unwrap();
    let leaf = ResponseLeaf {
        origin: membership.origin().clone(),
        sequence: place.sequence.0,
        index: place.index,
        time_ms: place.time.0,
        kind,
        key: request.key_hash().unwrap(),
        request: Digest::of(&request.encode()),
        status,
        fields: block.digest(),
        content_length: body.len() as u64,
        content: Digest::of(body.as_bytes()),
        state: None,
    };
    Answer {
        leaf: Bytes::from(leaf.to_text()),
        request_fields: vec![],
        fields: Bytes::from(block.to_text()),
        content: Bytes::from(body),
    }
}

/// A verdict in plain words.
#[derive(Debug)]
pub(super) struct Verdicts(pub(super) Membership);

impl VerdictWriter for Verdicts {
    fn verdict(&self, place: Place, request: &Request, why: &Disagreement) -> Answer {
        let body = format!(
            "{} answers, {} lost, content {}",
            why.answers,
            why.lost,
            if why.content { "differs" } else { "is equal" }
        );
        let said = (LeafKind::Verdict, 502, body, 0);
        seal(&self.0, place, request, said)
    }
}
