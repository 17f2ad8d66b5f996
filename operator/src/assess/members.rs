//! How each replica is.

use std::collections::BTreeSet;

use crate::crd::status::{Member, MemberState};
use crate::names;
use crate::plan::{ClaimTrouble, Claims, Situation};
use crate::pod::PodView;

/// All replicas, by ordinal.
pub(super) fn members(situation: &Situation<'_>, claims: &Claims) -> Vec<Member> {
    let facts = situation.observed.facts();
    let (convicted, diverged) = (facts.convicted(), facts.diverged());
    let member = |ordinal| {
        let (state, message) = match claims.troubles.get(&ordinal) {
            Some(trouble) => (None, volume_message(situation, ordinal, *trouble)),
            None => (None::<MemberState>, String::new()),
        };
        let judged = judged(situation, ordinal, &convicted, &diverged);
        let pod = situation.pods.get(&ordinal);
        Member {
            ordinal,
            public_key: situation.pinned.keys.get(&ordinal).cloned(),
            incarnation: claims.incarnations.get(&ordinal).copied().unwrap_or(1),
            pod: pod.map(|pod| pod.name.clone()),
            node: pod.and_then(|pod| pod.node.clone()),
            app_revision: situation
                .revisions
                .assigned(ordinal)
                .map(|kept| kept.revision.app.digest()),
            state: state.unwrap_or(judged.0),
            message: if message.is_empty() {
                judged.1
            } else {
                message
            },
        }
    };
    (0..situation.replicas()).map(member).collect()
}

/// State and message, worst first.
fn judged(
    situation: &Situation<'_>,
    ordinal: u32,
    convicted: &BTreeSet<u32>,
    diverged: &BTreeSet<u32>,
) -> (MemberState, String) {
    let pod = situation.pods.get(&ordinal);
    if !situation.pinned.keys.contains_key(&ordinal) {
        return (MemberState::Pending, pending(situation, ordinal, pod));
    }
    if situation.pinned.membership.is_none() {
        return (MemberState::Enrolled, trouble(situation, pod));
    }
    if convicted.contains(&ordinal) {
        return (MemberState::Convicted, CONVICTED.to_owned());
    }
    if diverged.contains(&ordinal) {
        return (MemberState::Diverged, DIVERGED.to_owned());
    }
    running(situation, ordinal, pod)
}

const CONVICTED: &str = "it signed two different statements where one is allowed. Next: take its \
    node for compromised, keep its volume as evidence, and read the evidence with byz audit";

const DIVERGED: &str = "its app answered differently from the others. Next: read byz status for \
    what differed; restart its pod to rebuild the app from the ledger";

fn running(
    situation: &Situation<'_>,
    ordinal: u32,
    pod: Option<&PodView>,
) -> (MemberState, String) {
    let facts = situation.observed.facts();
    let Some(pod) = pod.filter(|pod| !pod.going) else {
        return (MemberState::Down, trouble(situation, pod));
    };
    if pod.ready && facts.is_caught_up(ordinal) {
        return (MemberState::Active, String::new());
    }
    let own = facts.own(ordinal);
    match own {
        Some(report) if facts.participates(ordinal) && !facts.is_caught_up(ordinal) => {
            (MemberState::CatchingUp, report.reasons.join("; "))
        }
        Some(report) if facts.participates(ordinal) => {
            let detail = pod.trouble.as_ref().map(described);
            (
                MemberState::Rebuilding,
                detail.unwrap_or_else(|| report.reasons.join("; ")),
            )
        }
        Some(_) if pod.trouble.is_none() => (MemberState::Down, CUT_OFF.to_owned()),
        _ => (MemberState::Down, trouble(situation, Some(pod))),
    }
}

const CUT_OFF: &str = "its sidecar runs, but too few of the others reach it. Next: check that \
    network policies let port 15081 through between the pods, and that the cluster's DNS works";

fn pending(situation: &Situation<'_>, ordinal: u32, pod: Option<&PodView>) -> String {
    let own = situation.observed.facts().own(ordinal);
    let enrolment = own.and_then(|report| report.enrolment.as_ref());
    match enrolment.filter(|enrolment| !enrolment.detail.is_empty()) {
        Some(enrolment) => enrolment.detail.clone(),
        None => trouble(situation, pod),
    }
}

fn trouble(situation: &Situation<'_>, pod: Option<&PodView>) -> String {
    match pod {
        None => "its pod does not exist yet".to_owned(),
        Some(pod) if pod.going => "its pod is being stopped".to_owned(),
        Some(pod) => match &pod.trouble {
            Some(trouble) => described(trouble),
            None if pod.ready && situation.pinned.membership.is_some() => {
                "its pod is ready, but the others do not report it".to_owned()
            }
            None => String::new(),
        },
    }
}

pub(super) fn described(trouble: &crate::pod::Trouble) -> String {
    format!("{trouble}. Next: {}", trouble.next_step())
}

fn volume_message(situation: &Situation<'_>, ordinal: u32, trouble: ClaimTrouble) -> String {
    let claim = names::ledger_claim(&situation.subject().name(), ordinal);
    match trouble {
        ClaimTrouble::LedgerLost => format!(
            "its volume {claim} is gone, and with it the key that it is known by; it is not \
             replaced silently, nor by an old copy, with which it might contradict itself. Next: \
             bind the same volume again if it still exists, or give the key up with \
             spec.overrides [{{ordinal: {ordinal}, incarnation: N}}], one higher than before"
        ),
        ClaimTrouble::LedgerGoing => format!(
            "its volume {claim} is being deleted and goes when its pod stops. Next: keep its \
             PersistentVolume (reclaim policy Retain) before"
        ),
        ClaimTrouble::VolumeLost => format!(
            "the volume behind {claim} is lost. Next: bring the same volume back if it still \
             exists, or delete the claim and give the key up with spec.overrides [{{ordinal: \
             {ordinal}, incarnation: N}}], one higher than before"
        ),
        ClaimTrouble::Foreign => format!(
            "a PersistentVolumeClaim of its name belongs to something else. Next: remove or \
             rename that, or rename the service ({claim})"
        ),
    }
}
