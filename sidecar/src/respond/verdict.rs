//! The certified 502 that settles a request on which the replicas' apps disagreed.

use byzantine_consensus::{Answer, Disagreement, Place, Request, VerdictWriter};
use byzantine_proof::LeafKind;

use super::Responder;
use crate::problem::{Problem, ProblemKind};

impl VerdictWriter for Responder {
    fn verdict(&self, place: Place, request: &Request, disagreement: &Disagreement) -> Answer {
        let problem = Problem::new(ProblemKind::ReplicasDiffer, detail(disagreement));
        self.problem(place, request, LeafKind::Verdict, &problem)
    }
}

/// In one sentence or two, what differed.
fn detail(disagreement: &Disagreement) -> String {
    let mut parts = Vec::new();
    if disagreement.status {
        parts.push("the status".to_owned());
    }
    match disagreement.fields.as_slice() {
        [] => {}
        [name] => parts.push(format!("the header field {name}")),
        names => parts.push(format!("the header fields {}", names.join(", "))),
    }
    if disagreement.content {
        parts.push("the content".to_owned());
    }
    let Disagreement { answers, lost, .. } = disagreement;
    let seen = format!("{answers} replicas answered and {lost} lost their answer");
    if parts.is_empty() {
        return format!("The request was executed, but no answer has enough replicas: {seen}.");
    }
    let what = parts.join(" and ");
    format!(
        "The request was executed, and the replicas' answers differ in {what}, so none can be \
         certified ({seen})."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_names_everything_that_differs() {
        let disagreement = Disagreement {
            answers: 3,
            lost: 0,
            status: true,
            fields: vec!["etag".into(), "x-id".into()],
            content: true,
        };
        assert_eq!(
            detail(&disagreement),
            "The request was executed, and the replicas' answers differ in the status and the \
             header fields etag, x-id and the content, so none can be certified (3 replicas \
             answered and 0 lost their answer)."
        );
    }

    #[test]
    fn lost_answers_are_said_to_be_lost() {
        let disagreement = Disagreement {
            answers: 1,
            lost: 2,
            ..Disagreement::default()
        };
        assert_eq!(
            detail(&disagreement),
            "The request was executed, but no answer has enough replicas: 1 replicas answered \
             and 2 lost their answer."
        );
    }
}
