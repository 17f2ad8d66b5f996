//! Which replica's pod is replaced now, if any.
//!
//! One at a time: those that are down first, backups before the primary, and a replica that serves
//! only while all others are ready and caught up. A replacement that was written to the status is
//! never abandoned: whoever comes next goes on with the same replica, so that two operators or one
//! that was asleep cannot have two replicas down.

use byzantine_resource::OnFailure;

use super::Situation;
use crate::crd::status::Replacement;
use crate::pod::PodView;

/// What is decided about replacements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The replacement as it is to be written to the status.
    pub replacing: Option<Replacement>,
    /// How it goes.
    pub step: Step,
    /// A revision to be marked as failed, with the reason: ordinal, name, reason.
    pub failed: Option<(u32, String, String)>,
}

/// How the replacement of pods goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Every replica runs what it should.
    #[default]
    UpToDate,
    /// This replica's pod is being replaced.
    Replacing(u32),
    /// This one is next, when the others are ready and caught up.
    Waiting(u32),
    /// Changes to pods are stopped by the user.
    Paused,
    /// A revision failed on this replica; nothing goes on until the spec changes.
    Failed {
        /// The replica.
        ordinal: u32,
        /// What happened.
        reason: String,
    },
    /// The replacement of this replica takes longer than `rollout.timeout`.
    Overdue(u32),
}

/// Decides about replacements.
pub(super) fn course(situation: &Situation<'_>) -> Course {
    let status = situation.observed.service.status.as_ref();
    let current = status.and_then(|status| status.replacing.clone());
    let current = current.filter(|turn| turn.ordinal < situation.replicas());
    if situation.observed.service.spec.paused {
        let step = if current.is_some() || needs(situation).next().is_some() {
            Step::Paused
        } else {
            Step::UpToDate
        };
        return Course {
            replacing: current,
            step,
            failed: None,
        };
    }
    match current {
        Some(turn) if is_done(situation, &turn) => next(situation),
        Some(turn) => go_on(situation, turn),
        None => next(situation),
    }
}

/// Replicas that do not run what they should.
fn needs<'a>(situation: &'a Situation<'_>) -> impl Iterator<Item = u32> + 'a {
    (0..situation.replicas()).filter(|ordinal| {
        let Some(assigned) = situation.revisions.assigned(*ordinal) else {
            return false;
        };
        let pod = situation.pods.get(ordinal);
        let target = target(situation, *ordinal, &assigned.digest);
        assigned.digest != target || pod.is_some_and(|pod| pod.revision != target && !pod.going)
    })
}

/// What the replica should run: what it has, if what it should has failed on it.
fn target(situation: &Situation<'_>, ordinal: u32, otherwise: &str) -> String {
    let desired = situation.desired.digest(ordinal);
    let failed = situation.revisions.failure(ordinal, desired).is_some();
    if failed { otherwise } else { desired }.to_owned()
}

fn next(situation: &Situation<'_>) -> Course {
    if let Some((ordinal, reason)) = failure(situation) {
        let step = Step::Failed { ordinal, reason };
        let mut replicas = 0..situation.replicas();
        let unfinished = replicas.find(|other| can_go_back(situation, *other));
        let replacing = unfinished.and_then(|other| begin(situation, other));
        return Course {
            step,
            replacing,
            failed: None,
        };
    }
    let mut waiting: Vec<u32> = needs(situation).collect();
    waiting.sort_by_key(|ordinal| rank(situation, *ordinal));
    let Some(first) = waiting.first().copied() else {
        return Course::default();
    };
    if !is_free(situation, first) {
        return Course {
            step: Step::Waiting(first),
            ..Course::default()
        };
    }
    Course {
        replacing: begin(situation, first),
        step: Step::Replacing(first),
        failed: None,
    }
}

/// Whether the replica was assigned a revision that has failed since, and had another before.
fn can_go_back(situation: &Situation<'_>, ordinal: u32) -> bool {
    let assigned = situation.revisions.assigned(ordinal);
    let assigned = assigned.filter(|kept| kept.failed.is_some());
    assigned.is_some_and(|kept| situation.revisions.before(ordinal, &kept.digest).is_some())
}

/// A desired revision that has failed.
fn failure(situation: &Situation<'_>) -> Option<(u32, String)> {
    (0..situation.replicas()).find_map(|ordinal| {
        let desired = situation.desired.digest(ordinal);
        let reason = situation.revisions.failure(ordinal, desired)?;
        Some((ordinal, reason.to_owned()))
    })
}

/// Down first, the primary last.
fn rank(situation: &Situation<'_>, ordinal: u32) -> (bool, bool, u32) {
    let primary = situation
        .observed
        .facts()
        .view()
        .map(|(_, primary)| primary);
    (
        !is_down(situation, ordinal),
        primary == Some(ordinal),
        ordinal,
    )
}

fn is_down(situation: &Situation<'_>, ordinal: u32) -> bool {
    !situation.pods.get(&ordinal).is_some_and(|pod| pod.ready)
}

/// Whether the replica can be taken without spending the fault budget.
fn is_free(situation: &Situation<'_>, ordinal: u32) -> bool {
    let facts = situation.observed.facts();
    let others = || (0..situation.replicas()).filter(|other| *other != ordinal);
    if is_down(situation, ordinal) {
        // It still votes, perhaps: its vote is taken only if the others are a quorum without it,
        // or are none even with it.
        let voting = others().filter(|other| facts.participates(*other)).count();
        let voting = u32::try_from(voting).unwrap_or(u32::MAX);
        let quorum = situation.observed.service.spec.order_quorum();
        return !facts.participates(ordinal) || voting >= quorum || voting + 1 < quorum;
    }
    let pinned = situation.pinned.membership.is_some();
    let well = |other: u32| !is_down(situation, other) && (facts.is_caught_up(other) || !pinned);
    others().all(well)
}

/// The replacement of a replica, with the pod that has to go for it.
fn begin(situation: &Situation<'_>, ordinal: u32) -> Option<Replacement> {
    let assigned = situation.revisions.assigned(ordinal)?;
    let previous = situation
        .revisions
        .before(ordinal, situation.desired.digest(ordinal));
    let fallback = previous.unwrap_or(assigned);
    let mut turn = Replacement {
        ordinal,
        revision: target(situation, ordinal, &fallback.digest),
        started: situation.observed.now,
        pods: Vec::new(),
        was_down: is_down(situation, ordinal),
    };
    condemn(situation, &mut turn);
    Some(turn)
}

/// Adds the pod that there is, if it is not the one wanted.
fn condemn(situation: &Situation<'_>, turn: &mut Replacement) {
    let pod = situation.pods.get(&turn.ordinal);
    if let Some(pod) = pod.filter(|pod| pod.revision != turn.revision && !pod.going)
        && !turn.pods.contains(&pod.uid)
    {
        turn.pods.push(pod.uid.clone());
    }
}

fn go_on(situation: &Situation<'_>, mut turn: Replacement) -> Course {
    let ordinal = turn.ordinal;
    let wanted = target(situation, ordinal, &turn.revision);
    if wanted != turn.revision {
        turn.revision = wanted;
        turn.started = situation.observed.now;
    }
    let mut course = Course {
        step: Step::Replacing(ordinal),
        ..Course::default()
    };
    if is_overdue(situation, &turn) {
        overdue(situation, &mut turn, &mut course);
    } else if let Some((ordinal, reason)) = failure(situation) {
        course.step = Step::Failed { ordinal, reason };
    }
    condemn(situation, &mut turn);
    course.replacing = Some(turn);
    course
}

fn is_overdue(situation: &Situation<'_>, turn: &Replacement) -> bool {
    let limit = situation.observed.service.spec.rollout.timeout.duration();
    let limit = limit.map_or(i64::MAX, |limit| {
        i64::try_from(limit.as_secs()).unwrap_or(i64::MAX)
    });
    situation.observed.now.saturating_sub(turn.started) >= limit
}

/// Goes back to the revision before, unless the replica was down already: then nothing says that
/// the new one is to blame.
fn overdue(situation: &Situation<'_>, turn: &mut Replacement, course: &mut Course) {
    let ordinal = turn.ordinal;
    course.step = Step::Overdue(ordinal);
    let rollback = situation.observed.service.spec.rollout.on_failure == OnFailure::Rollback;
    let new = turn.revision == situation.desired.digest(ordinal);
    if !rollback || turn.was_down || !new {
        return;
    }
    let Some(previous) = situation.revisions.before(ordinal, &turn.revision) else {
        return;
    };
    // Marked already, if the operator ended between the mark and the status.
    let marked = situation.revisions.failure(ordinal, &turn.revision);
    let reason = marked.map_or_else(|| cause(situation.pods.get(&ordinal)), str::to_owned);
    course.failed = Some((ordinal, turn.revision.clone(), reason.clone()));
    course.step = Step::Failed { ordinal, reason };
    turn.revision.clone_from(&previous.digest);
    turn.started = situation.observed.now;
}

fn cause(pod: Option<&PodView>) -> String {
    match pod.and_then(|pod| pod.trouble.as_ref()) {
        Some(trouble) => trouble.to_string(),
        None if pod.is_some_and(|pod| pod.ready) => {
            "the replica became ready, but did not catch up in time".to_owned()
        }
        None => "the replica did not become ready in time".to_owned(),
    }
}

/// Whether a pod other than those that had to go runs the revision and takes part.
fn is_done(situation: &Situation<'_>, turn: &Replacement) -> bool {
    let Some(pod) = situation.pods.get(&turn.ordinal) else {
        return false;
    };
    let right = pod.revision == turn.revision && !turn.pods.contains(&pod.uid) && !pod.going;
    let wanted = target(situation, turn.ordinal, &turn.revision) == turn.revision;
    right && wanted && is_well(situation, turn.ordinal, pod)
}

/// Ready and caught up; where the others are no quorum and could not tell, as much as it can be.
fn is_well(situation: &Situation<'_>, ordinal: u32, pod: &PodView) -> bool {
    if situation.pinned.membership.is_none() {
        return pod.running;
    }
    let facts = situation.observed.facts();
    let others = (0..situation.replicas()).filter(|other| *other != ordinal);
    let voting = others.filter(|other| facts.participates(*other)).count();
    let voting = u32::try_from(voting).unwrap_or(u32::MAX);
    if voting + 1 < situation.observed.service.spec.order_quorum() {
        return pod.running;
    }
    pod.ready && facts.is_caught_up(ordinal)
}
