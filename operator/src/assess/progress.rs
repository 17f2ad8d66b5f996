//! Condition Progressing: whether the replicas run what the spec asks for.

use super::{Picture, Reason, Verdict};
use crate::plan::{HeldBack, Step};

/// Whether a change is coming in, and what keeps it.
pub(super) fn progressing(picture: &Picture<'_>) -> Verdict {
    let held_back = picture.situation.desired.held_back;
    match &picture.course.step {
        Step::Paused => Verdict::no(
            Reason::Paused,
            "changes to pods are stopped by spec.paused. Next: set it to false to go on",
        ),
        Step::Failed { ordinal, reason } => {
            Verdict::no(Reason::Stalled, failed(picture, *ordinal, reason))
        }
        Step::Overdue(ordinal) => Verdict::no(Reason::Stalled, overdue(picture, *ordinal)),
        Step::Replacing(ordinal) => replacing(picture, *ordinal),
        Step::Waiting(ordinal) => Verdict::yes(Reason::WaitingForCatchUp, waiting(*ordinal)),
        Step::UpToDate if !picture.is_member() => Verdict::yes(
            Reason::Enrolling,
            "the replicas are making themselves known",
        ),
        Step::UpToDate if held_back != HeldBack::default() => {
            Verdict::no(Reason::Stalled, held(held_back))
        }
        Step::UpToDate => Verdict::no(
            Reason::UpToDate,
            "every replica runs what the spec asks for",
        ),
    }
}

fn replacing(picture: &Picture<'_>, ordinal: u32) -> Verdict {
    let pod = picture.situation.pods.get(&ordinal);
    let back = pod.is_some_and(|pod| pod.ready && !pod.going);
    let turn = picture.course.replacing.as_ref();
    let new = pod
        .zip(turn)
        .is_some_and(|(pod, turn)| pod.revision == turn.revision);
    if back && new {
        let message = format!("replica {ordinal} is back and catches up with the others");
        return Verdict::yes(Reason::WaitingForCatchUp, message);
    }
    let message = format!("replica {ordinal} is being replaced; the others serve");
    Verdict::yes(Reason::RollingOut, message)
}

fn waiting(ordinal: u32) -> String {
    format!(
        "replica {ordinal} is next, when all others are ready and f+1 of them report each other \
         caught up. Next: bring back those that status.members names"
    )
}

fn failed(picture: &Picture<'_>, ordinal: u32, reason: &str) -> String {
    let back = picture.course.replacing.is_some();
    let now = if back {
        "it is going back to"
    } else {
        "it is back at"
    };
    format!(
        "the rollout stopped at replica {ordinal}: {reason}. The other replicas were not touched, \
         and {now} the revision before. Next: correct the spec; the same one is not tried again \
         unless the annotation byzantine.dev/failed is removed from its ControllerRevision"
    )
}

fn overdue(picture: &Picture<'_>, ordinal: u32) -> String {
    let pod = picture.situation.pods.get(&ordinal);
    let trouble = pod.and_then(|pod| pod.trouble.as_ref());
    let cause = trouble.map_or_else(
        || "it is not back yet, or has not caught up".to_owned(),
        super::members::described,
    );
    format!(
        "replica {ordinal} takes longer than spec.rollout.timeout: {cause}. No other replica is \
         touched. Next: correct the cause, or put the spec back"
    )
}

fn held(held_back: HeldBack) -> String {
    let http = "spec.http decides what the proofs say, so all replicas must change it at one \
                agreed request, which this version cannot do yet: put the old value back (cors may \
                change at any time), or make a new service";
    let app = "the app's image, command, args, env or files changed, and spec.rollout.app is \
               Switch: all replicas must change at one agreed request, which this version cannot \
               do yet. Choose: set spec.rollout.app to Rolling, if both versions give identical \
               responses to identical requests, or put the old values back";
    match (held_back.app, held_back.http) {
        (true, true) => format!("held back: {app}. Also held back: {http}"),
        (true, false) => format!("held back: {app}"),
        _ => format!("held back: {http}"),
    }
}
