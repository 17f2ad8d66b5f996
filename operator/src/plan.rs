//! From what is observed to what is to be done. Pure: the same observation gives the same plan.
//!
//! Invariants: at most one replica is in replacement, and that is in the status before its pod is
//! touched; a template changes only for the replica in replacement; what is not ours stays as it
//! is; a pinned replica's lost ledger volume is not replaced, not even by an old plan.

mod claims;
mod desired;
mod objects;
mod replacement;
mod retired;

use kube::ResourceExt as _;

use crate::action::{Action, Plan};
use crate::assess;
use crate::crd::ByzantineService;
use crate::object::Object;
use crate::observed::Observed;
use crate::pod::PodView;
use crate::render::Subject;
use crate::revisions::Revisions;

pub use claims::{ClaimTrouble, Claims};
pub use desired::{Desired, HeldBack};
pub use replacement::{Course, Step};

/// Seconds between looks at a service with which nothing is wrong.
const STEADY: u64 = 15;

/// Seconds between looks at one that is changing.
const BUSY: u64 = 2;

/// What the plan and the status are both made from.
pub struct Situation<'a> {
    /// What was observed.
    pub observed: &'a Observed,
    /// The revisions that replicas have.
    pub revisions: Revisions,
    /// What they should run.
    pub desired: Desired,
    /// Their pods.
    pub pods: std::collections::BTreeMap<u32, PodView>,
    /// Whose keys are pinned.
    pub pinned: crate::membership::Pinned,
}

impl<'a> Situation<'a> {
    /// Reads what was observed.
    pub fn new(observed: &'a Observed) -> Self {
        let revisions = Revisions::of(observed);
        let desired = Desired::new(observed, &revisions);
        Self {
            observed,
            revisions,
            desired,
            pods: observed.pods(),
            pinned: observed.pinned(),
        }
    }

    /// The service, for rendering.
    pub fn subject(&self) -> Subject<'a> {
        Subject {
            service: &self.observed.service,
            settings: &self.observed.settings,
        }
    }

    /// n.
    pub fn replicas(&self) -> u32 {
        self.observed.service.spec.replica_count()
    }
}

/// What is to be done.
pub fn plan(observed: &Observed) -> Plan {
    if observed.service.meta_is_going() {
        return Plan::default();
    }
    let problems = assess::problems(&observed.service);
    if !problems.is_empty() {
        let status = assess::refused(observed, &problems);
        return finish(observed, Vec::new(), &status, STEADY);
    }
    let situation = Situation::new(observed);
    let claims = Claims::new(&situation);
    let course = replacement::course(&situation);
    let wanted = objects::wanted(&situation, &course);
    let (mut actions, conflicts) = objects::compare(observed, wanted);
    actions.extend(claims.actions.iter().cloned());
    // Volumes and names come first: a pod that needs them would only wait.
    actions.sort_by_key(order);
    actions.extend(objects::replaced_pod(&situation, &course));
    actions.extend(retired::actions(&situation, &course));
    let status = assess::status(&situation, &claims, &course, &conflicts);
    let busy = status.replacing.is_some() || assess::is_unsettled(&status);
    if claims.makes_any() {
        // Fails, and with it all that follows, if anything was pinned since this was observed: an
        // operator that wakes up late does not make a volume whose keys were lost meanwhile.
        actions.insert(0, write(observed, &status));
    }
    finish(observed, actions, &status, if busy { BUSY } else { STEADY })
}

fn order(action: &Action) -> crate::object::Kind {
    match action {
        Action::Apply {
            object: Object { kind, .. },
            ..
        }
        | Action::Delete { kind, .. } => *kind,
        Action::WriteStatus { .. } => crate::object::Kind::Pod,
    }
}

fn finish(
    observed: &Observed,
    mut actions: Vec<Action>,
    status: &crate::crd::Status,
    again: u64,
) -> Plan {
    let old = observed.service.status.clone().unwrap_or_default();
    let notes = assess::notes(&old, status);
    let written = matches!(actions.first(), Some(Action::WriteStatus { .. }));
    if !written && observed.service.status.as_ref() != Some(status) {
        actions.push(write(observed, status));
    }
    Plan {
        actions,
        notes,
        again,
    }
}

fn write(observed: &Observed, status: &crate::crd::Status) -> Action {
    Action::WriteStatus {
        status: Box::new(status.clone()),
        resource_version: observed.service.resource_version().unwrap_or_default(),
    }
}

impl ByzantineService {
    fn meta_is_going(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}
