//! From the situation to the status: what is, why, and what to do.
//!
//! Messages name causes and next steps, and hold nothing that changes from second to second, so
//! that a status is written only when something happened.

mod conditions;
mod degraded;
mod independence;
mod keys;
mod members;
mod notes;
mod progress;
mod readiness;
mod reason;
mod verdict;

use byzantine_resource::{ByzantineService as Manifest, Problem};
use kube::ResourceExt as _;

use crate::crd::status::{AppVersionStatus, Member, MemberState, Phase};
use crate::crd::{ByzantineService, Status};
use crate::observed::Observed;
use crate::plan::{Claims, Course, Situation};
use crate::render::AppVersion;
use conditions::Conditions;
use verdict::Verdict;

pub use notes::notes;
pub use reason::Reason;

/// Everything that the conditions are made from.
struct Picture<'a> {
    situation: &'a Situation<'a>,
    claims: &'a Claims,
    course: &'a Course,
    conflicts: &'a [String],
    members: Vec<Member>,
}

impl Picture<'_> {
    fn count(&self, is: impl Fn(MemberState) -> bool) -> u32 {
        let count = self
            .members
            .iter()
            .filter(|member| is(member.state))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Replicas that take part and are well.
    fn active(&self) -> u32 {
        self.count(|state| state == MemberState::Active)
    }

    /// Replicas that are not well.
    fn unwell(&self) -> u32 {
        self.situation.replicas().saturating_sub(self.active())
    }

    /// How many more replicas may fail.
    fn faults_left(&self) -> u32 {
        let f = self.situation.observed.service.spec.fault_tolerance;
        f.saturating_sub(self.unwell())
    }

    fn quorum(&self) -> u32 {
        self.situation.observed.service.spec.order_quorum()
    }

    fn is_member(&self) -> bool {
        self.situation.pinned.membership.is_some()
    }
}

/// Rules that the spec breaks; the API server refuses nearly all of them.
pub fn problems(service: &ByzantineService) -> Vec<Problem> {
    let mut manifest = Manifest::new(service.name_any(), service.spec.app.clone());
    manifest.metadata.namespace = service.namespace();
    manifest.spec = service.spec.0.clone();
    manifest.problems()
}

/// The status of a service whose spec cannot be followed: nothing of it is touched.
pub fn refused(observed: &Observed, problems: &[Problem]) -> Status {
    let mut status = observed.service.status.clone().unwrap_or_default();
    let listed: Vec<String> = problems.iter().take(3).map(one_line).collect();
    let mut conditions = Conditions::new(observed, &status);
    conditions.set(
        "Ready",
        &Verdict::no(Reason::InvalidSpec, listed.join("; ")),
    );
    let what = "nothing is changed until the spec obeys every rule; see condition Ready";
    conditions.set("Progressing", &Verdict::no(Reason::Stalled, what));
    status.conditions = conditions.done();
    status.observed_generation = observed.service.metadata.generation;
    status.phase = Some(Phase::Unavailable);
    status
}

fn one_line(problem: &Problem) -> String {
    let Problem {
        path,
        given,
        why,
        next_step,
    } = problem;
    format!("{path} is {given}: {why}. Next: {next_step}")
}

/// The status of a service.
pub fn status(
    situation: &Situation<'_>,
    claims: &Claims,
    course: &Course,
    conflicts: &[String],
) -> Status {
    let picture = Picture {
        situation,
        claims,
        course,
        conflicts,
        members: members::members(situation, claims),
    };
    let old = situation
        .observed
        .service
        .status
        .clone()
        .unwrap_or_default();
    let mut status = figures(&picture, &old);
    let mut conditions = Conditions::new(situation.observed, &old);
    conditions.set("Ready", &readiness::ready(&picture));
    conditions.set("QuorumAvailable", &readiness::quorum(&picture));
    conditions.set("Progressing", &progress::progressing(&picture));
    conditions.set("Degraded", &degraded::degraded(&picture));
    conditions.set("KeysPinned", &keys::pinned(&picture));
    conditions.set("RepliesAgree", &degraded::replies_agree(&picture));
    conditions.set("FaultsIndependent", &independence::independent(&picture));
    status.conditions = conditions.done();
    status.phase = Some(phase(&picture, &status));
    status.members = picture.members;
    status
}

fn figures(picture: &Picture<'_>, old: &Status) -> Status {
    let (situation, observed) = (picture.situation, picture.situation.observed);
    let spec = &observed.service.spec;
    let ready = situation.pods.values().filter(|pod| pod.ready).count();
    let view = observed.facts().view();
    Status {
        observed_generation: observed.service.metadata.generation,
        phase: None,
        replicas: situation.replicas(),
        ready_replicas: u32::try_from(ready).unwrap_or(u32::MAX),
        fault_tolerance: spec.fault_tolerance,
        faults_left: picture.faults_left(),
        quorum: spec.order_quorum(),
        reply_quorum: spec.reply_quorum(),
        view: view.map(|(view, _)| view).or(old.view),
        primary: view.map(|(_, primary)| primary),
        membership: situation.pinned.membership.clone(),
        app: app_version(picture, old),
        sidecar_image: sidecar_image(observed),
        members: Vec::new(),
        replacing: picture.course.replacing.clone(),
        conditions: Vec::new(),
    }
}

fn sidecar_image(observed: &Observed) -> String {
    let own = observed.service.spec.sidecar.image.clone();
    own.unwrap_or_else(|| observed.settings.sidecar_image.clone())
}

/// The version that all replicas without an override run, with the same treatment of HTTP, once a
/// replica was ready: from then on requests may have been executed.
fn app_version(picture: &Picture<'_>, old: &Status) -> AppVersionStatus {
    let situation = picture.situation;
    let spec = &situation.observed.service.spec;
    let plain = |ordinal: &u32| spec.overrides.iter().all(|own| own.ordinal != *ordinal);
    let mut assigned = (0..situation.replicas())
        .filter(plain)
        .filter_map(|ordinal| situation.revisions.assigned(ordinal))
        .map(|kept| (&kept.revision.app, &kept.revision.http));
    let first = assigned.next();
    let same = first.filter(|first| assigned.all(|other| other == *first));
    let same = same.map(|(app, _)| app.digest());
    let served = situation.pods.values().any(|pod| pod.ready) || !old.app.revision.is_empty();
    let revision = same.unwrap_or_else(|| old.app.revision.clone());
    AppVersionStatus {
        revision: if served { revision } else { String::new() },
        desired_revision: AppVersion::common(&spec.app).digest(),
        switch_sequence: old.app.switch_sequence,
    }
}

fn phase(picture: &Picture<'_>, status: &Status) -> Phase {
    let is = |kind: &str, value: &str| {
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.status == value)
    };
    if picture.situation.observed.service.spec.paused {
        Phase::Paused
    } else if !picture.is_member() {
        Phase::Enrolling
    } else if is("Ready", "False") {
        Phase::Unavailable
    } else if status.replacing.is_some() {
        Phase::Updating
    } else if is("Degraded", "True") {
        Phase::Degraded
    } else {
        Phase::Ready
    }
}

/// Whether something is expected to change soon.
pub fn is_unsettled(status: &Status) -> bool {
    let well = status.phase == Some(Phase::Ready) || status.phase == Some(Phase::Paused);
    !well || status.ready_replicas < status.replicas
}
