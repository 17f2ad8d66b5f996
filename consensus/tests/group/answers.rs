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
    seal(membership, place, &item.request, kind, status, body)
}

fn seal(
    membership: &Membership,
    place: Place,
    request: &Request,
    kind: LeafKind,
    status: u16,
    body: String,
) -> Answer {
    let names = RequestFields::new([]).unwrap();
    let block = FieldBlock::build(names, [("content-type", &b"text/plain"[..])]).unwrap();
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
        seal(&self.0, place, request, LeafKind::Verdict, 502, body)
    }
}
