//! Conditions Ready and `QuorumAvailable`.

use super::{Picture, Reason, Verdict, members};
use crate::crd::status::MemberState;
use crate::pod::Trouble;

/// Whether clients are answered.
pub(super) fn ready(picture: &Picture<'_>) -> Verdict {
    if !picture.conflicts.is_empty() {
        return conflict(picture.conflicts);
    }
    let ready = picture
        .situation
        .pods
        .values()
        .filter(|pod| pod.ready)
        .count();
    let ready = u32::try_from(ready).unwrap_or(u32::MAX);
    let (quorum, n) = (picture.quorum(), picture.situation.replicas());
    if picture.is_member() && voting(picture) >= quorum && ready >= quorum {
        let left = picture.faults_left();
        let message = format!("{ready} of {n} replicas take requests; {left} more may fail");
        return Verdict::yes(Reason::Serving, message);
    }
    if let Some(verdict) = obstacle(picture, ready) {
        return verdict;
    }
    if !picture.is_member() {
        return Verdict::no(Reason::Enrolling, enrolling(picture));
    }
    let message = format!(
        "{ready} of {n} replicas are ready; {quorum} are needed. Next: see status.members for what \
         keeps the others"
    );
    Verdict::no(Reason::QuorumLost, message)
}

fn conflict(conflicts: &[String]) -> Verdict {
    let listed: Vec<&str> = conflicts.iter().take(5).map(String::as_str).collect();
    let message = format!(
        "these exist and belong to something else, so they are not touched: {}. Next: delete or \
         rename them, or give the service another name",
        listed.join(", ")
    );
    Verdict::no(Reason::NameConflict, message)
}

/// What keeps most replicas from being ready.
fn obstacle(picture: &Picture<'_>, ready: u32) -> Option<Verdict> {
    let missing = picture.situation.replicas().saturating_sub(ready);
    let pods = picture.situation.pods.iter();
    let troubles: Vec<(u32, &Trouble)> = pods
        .filter_map(|(ordinal, pod)| Some((*ordinal, pod.trouble.as_ref()?)))
        .collect();
    for reason in [
        Reason::ImagePullFailed,
        Reason::Unschedulable,
        Reason::AppUnhealthy,
    ] {
        let of = troubles
            .iter()
            .filter(|(_, trouble)| reason_of(trouble) == Some(reason));
        if let Some((ordinal, trouble)) = of.clone().next() {
            let count = of.count();
            let message = format!(
                "{count} of {missing} replicas that are not ready: {} (replica {ordinal})",
                members::described(trouble)
            );
            return Some(Verdict::no(reason, message));
        }
    }
    None
}

/// A sidecar that crashes is told by its member's message.
fn reason_of(trouble: &Trouble) -> Option<Reason> {
    match trouble {
        Trouble::ImagePull { .. } => Some(Reason::ImagePullFailed),
        Trouble::Unschedulable { .. } => Some(Reason::Unschedulable),
        Trouble::Crashing { container, .. } if container == "sidecar" => None,
        Trouble::Crashing { .. } | Trouble::AppUnhealthy => Some(Reason::AppUnhealthy),
    }
}

fn enrolling(picture: &Picture<'_>) -> String {
    let pending = picture.members.iter();
    let missing: Vec<String> = pending
        .filter(|member| member.state == MemberState::Pending)
        .map(|member| member.ordinal.to_string())
        .collect();
    format!(
        "waiting for the keys of replicas {}. Next: if this stays so, see status.members for why",
        missing.join(", ")
    )
}

/// Replicas that f+1 others reach.
pub(super) fn voting(picture: &Picture<'_>) -> u32 {
    let facts = picture.situation.observed.facts();
    let all = 0..picture.situation.replicas();
    let voting = all.filter(|ordinal| facts.participates(*ordinal)).count();
    u32::try_from(voting).unwrap_or(u32::MAX)
}

/// Whether requests can be ordered, and whether another fault would stop that.
pub(super) fn quorum(picture: &Picture<'_>) -> Verdict {
    let (voting, quorum, n) = (
        voting(picture),
        picture.quorum(),
        picture.situation.replicas(),
    );
    let f = picture.situation.observed.service.spec.fault_tolerance;
    if !picture.is_member() || voting < quorum {
        let message = format!(
            "{voting} of {n} replicas take part in agreement; {quorum} are needed. Next: bring \
             back those that status.members names"
        );
        return Verdict::no(Reason::TooFewReplicas, message);
    }
    if picture.unwell() >= f {
        let message = format!(
            "requests are ordered, but {} of {n} replicas are not well and {f} may fail: one more \
             fault stops the service. Next: bring back those that status.members names",
            picture.unwell()
        );
        return Verdict::yes(Reason::BudgetSpent, message);
    }
    Verdict::yes(
        Reason::QuorumHealthy,
        format!("{voting} of {n} replicas take part in agreement"),
    )
}
