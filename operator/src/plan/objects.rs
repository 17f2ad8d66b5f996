//! The objects that should be, against those that are.

use crate::action::Action;
use crate::crd::status::Replacement;
use crate::names;
use crate::object::{Existing, Kind, Object};
use crate::observed::Observed;
use crate::render::{self, Revision};
use crate::revisions::Kept;

use super::{Course, Situation};

/// What a replica is assigned: its revision, and the object that says so if it must be written.
struct Assignment<'a> {
    revision: &'a Revision,
    write: Option<Object>,
}

/// Everything but volumes.
pub(super) fn wanted(situation: &Situation<'_>, course: &Course) -> Vec<Object> {
    let subject = situation.subject();
    let mut objects = vec![
        render::client_service(subject),
        render::disruption_budget(subject),
    ];
    if situation.observed.service.spec.network_policy.enabled {
        objects.push(render::network_policy(subject));
    }
    let mut configs: Vec<&str> = Vec::new();
    for ordinal in subject.ordinals() {
        objects.push(render::peer_service(subject, ordinal));
        let Some(assignment) = assignment(situation, course, ordinal) else {
            continue;
        };
        let template = assignment.revision.marked_template();
        objects.push(render::stateful_set(subject, ordinal, &template));
        objects.extend(assignment.write);
        configs.push(&assignment.revision.config);
    }
    objects.extend(failure_mark(situation, course));
    let newest = situation
        .desired
        .revision(0)
        .map_or("", |(_, newest)| &newest.config);
    objects.push(render::config_map(subject, newest, &configs));
    objects
}

/// The replica in replacement gets its new revision; others keep theirs, and new ones get the
/// desired one.
fn assignment<'a>(
    situation: &'a Situation<'_>,
    course: &Course,
    ordinal: u32,
) -> Option<Assignment<'a>> {
    let assigned = situation.revisions.assigned(ordinal);
    let turn = turn(situation, course).filter(|turn| turn.ordinal == ordinal);
    let digest = match (turn, assigned) {
        (Some(turn), _) => turn.revision.as_str(),
        (None, Some(kept)) => kept.digest.as_str(),
        (None, None) => situation.desired.digest(ordinal),
    };
    let subject = situation.subject();
    let number = situation.revisions.next_number(ordinal);
    if let Some(kept) = assigned.filter(|kept| kept.digest == digest) {
        let write = kept
            .revision
            .keep(subject, ordinal, kept.number, kept.failed.as_deref());
        Some(Assignment {
            revision: &kept.revision,
            write: Some(write),
        })
    } else {
        let revision = content(situation, ordinal, digest)?;
        let write = Some(revision.keep(subject, ordinal, number, None));
        Some(Assignment { revision, write })
    }
}

/// What a revision of that name says.
fn content<'a>(situation: &'a Situation<'_>, ordinal: u32, digest: &str) -> Option<&'a Revision> {
    let desired = situation.desired.revision(ordinal);
    let desired = desired
        .filter(|(name, _)| *name == digest)
        .map(|(_, revision)| revision);
    let kept = || {
        situation
            .revisions
            .named(ordinal, digest)
            .map(|kept| &kept.revision)
    };
    desired.or_else(kept)
}

/// The replacement that was written earlier and still holds: only such a one moves anything.
fn turn<'a>(situation: &'a Situation<'_>, course: &Course) -> Option<&'a Replacement> {
    let spec = &situation.observed.service.spec;
    let written = situation
        .observed
        .service
        .status
        .as_ref()?
        .replacing
        .as_ref()?;
    let now = course.replacing.as_ref()?;
    let same = now.ordinal == written.ordinal && now.revision == written.revision;
    (same && !spec.paused).then_some(written)
}

fn failure_mark(situation: &Situation<'_>, course: &Course) -> Option<Object> {
    let (ordinal, digest, reason) = course.failed.as_ref()?;
    let kept: &Kept = situation.revisions.named(*ordinal, digest)?;
    Some(
        kept.revision
            .keep(situation.subject(), *ordinal, kept.number, Some(reason)),
    )
}

/// What must be applied, and the objects that bear one of our names and are not ours.
pub(super) fn compare(observed: &Observed, wanted: Vec<Object>) -> (Vec<Action>, Vec<String>) {
    let (mut actions, mut conflicts) = (Vec::new(), Vec::new());
    for object in wanted {
        match observed.object(object.kind, &object.name) {
            None => actions.push(Action::Apply { object, uid: None }),
            Some(existing) if !observed.owns(existing) => {
                conflicts.push(format!("{} {}", object.kind, object.name));
            }
            Some(existing) => actions.extend(change(object, existing)),
        }
    }
    actions.extend(unwanted_policy(observed));
    (actions, conflicts)
}

fn change(object: Object, existing: &Existing) -> Option<Action> {
    let uid = Some(existing.uid().to_owned());
    let due = !existing.is_going() && !object.is_in(&existing.body);
    due.then_some(Action::Apply { object, uid })
}

/// The network policy of a service that no longer wants one.
fn unwanted_policy(observed: &Observed) -> Option<Action> {
    let name = kube::ResourceExt::name_any(&observed.service);
    let existing = observed.object(Kind::NetworkPolicy, &name)?;
    let unwanted = !observed.service.spec.network_policy.enabled;
    (unwanted && observed.owns(existing) && !existing.is_going())
        .then(|| delete(Kind::NetworkPolicy, existing))
}

pub(super) fn delete(kind: Kind, existing: &Existing) -> Action {
    Action::Delete {
        kind,
        name: existing.name().to_owned(),
        uid: existing.uid().to_owned(),
    }
}

/// The pod that has to go for the replacement that was written earlier. It goes after its template
/// was changed, in the same plan.
pub(super) fn replaced_pod(situation: &Situation<'_>, course: &Course) -> Option<Action> {
    let turn = turn(situation, course)?;
    let pod = situation.pods.get(&turn.ordinal)?;
    let due = turn.pods.contains(&pod.uid) && pod.revision != turn.revision && !pod.going;
    content(situation, turn.ordinal, &turn.revision).filter(|_| due)?;
    let name = situation.subject().name();
    Some(Action::Delete {
        kind: Kind::Pod,
        name: names::pod(&name, turn.ordinal),
        uid: pod.uid.clone(),
    })
}
