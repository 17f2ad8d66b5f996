//! Conditions Degraded and `RepliesAgree`.

use super::{Picture, Reason, Verdict};
use crate::crd::status::{Member, MemberState};

/// Whether a replica is not as it should be.
pub(super) fn degraded(picture: &Picture<'_>) -> Verdict {
    if !picture.is_member() {
        let message = "the service has not begun yet; see condition Ready";
        return Verdict::unknown(Reason::AllHealthy, message);
    }
    if let Some(full) = full_ledger(picture) {
        return Verdict::yes(Reason::LedgerFull, full);
    }
    let order = [
        (MemberState::Convicted, Reason::ReplicaConvicted),
        (MemberState::Diverged, Reason::ReplicaDiverged),
        (MemberState::Down, Reason::ReplicaDown),
        (MemberState::Rebuilding, Reason::ReplicaLagging),
        (MemberState::CatchingUp, Reason::ReplicaLagging),
    ];
    for (state, reason) in order {
        let of: Vec<&Member> = picture
            .members
            .iter()
            .filter(|member| member.state == state)
            .collect();
        if !of.is_empty() {
            return Verdict::yes(reason, listed(&of));
        }
    }
    Verdict::no(
        Reason::AllHealthy,
        "every replica takes part and is caught up",
    )
}

fn listed(members: &[&Member]) -> String {
    let each = members.iter().map(|member| {
        let (ordinal, state) = (member.ordinal, member.state.as_str());
        let cause = if member.message.is_empty() {
            "Next: see its pod's log"
        } else {
            &member.message
        };
        format!("replica {ordinal} is {state}: {cause}")
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A sidecar that says its disk is full says so about itself only.
fn full_ledger(picture: &Picture<'_>) -> Option<String> {
    let reports = picture.situation.observed.reports.iter();
    let full = |reason: &String| reason.contains("no space") || reason.contains("disk is full");
    let mut said = reports.filter(|(_, report)| report.reasons.iter().any(full));
    let (ordinal, _) = said.next()?;
    Some(format!(
        "replica {ordinal} says that its volume is full. Next: raise spec.storage.ledger.size, or \
         shorten keepBodies"
    ))
}

/// Whether the apps give the same answers.
pub(super) fn replies_agree(picture: &Picture<'_>) -> Verdict {
    let facts = picture.situation.observed.facts();
    if let Some(request) = facts.unsettled() {
        let message = format!(
            "no quorum gave the same answer to {request}. Next: run byz doctor on the app; it \
             names what is not deterministic"
        );
        return Verdict::no(Reason::NoQuorumAnswer, message);
    }
    let diverged = facts.diverged();
    if diverged.is_empty() {
        return Verdict::yes(
            Reason::NoDivergence,
            "no answer differed from what was settled",
        );
    }
    let listed: Vec<String> = diverged.iter().map(ToString::to_string).collect();
    let message = format!(
        "replicas {} answered differently from what was settled; clients got the settled answers. \
         Next: byz status shows what differed",
        listed.join(", ")
    );
    Verdict::no(Reason::Diverged, message)
}
