//! What each replica should run, and what of the spec is held back.
//!
//! The version of the app and the treatment of HTTP decide answers, so all replicas must change
//! them at one agreed point. Until that can be done, replicas keep what they have.

use std::collections::BTreeMap;

use byzantine_resource::{AppRollout, Http};

use crate::observed::Observed;
use crate::render::{AppVersion, Revision, Subject};
use crate::revisions::Revisions;

/// Parts of the spec that replicas do not follow yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// The version of the app.
    pub app: bool,
    /// The treatment of HTTP.
    pub http: bool,
}

/// What each replica should run.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// By ordinal, with its name.
    revisions: BTreeMap<u32, (String, Revision)>,
    /// What of the spec is held back.
    pub held_back: HeldBack,
}

impl Desired {
    /// The spec, except for what is held back.
    pub fn new(observed: &Observed, revisions: &Revisions) -> Self {
        let subject = Subject {
            service: &observed.service,
            settings: &observed.settings,
        };
        let mut held_back = HeldBack::default();
        let wanted = subject.ordinals().map(|ordinal| {
            let revision = one(subject, ordinal, revisions, &mut held_back);
            (ordinal, (revision.digest(), revision))
        });
        let revisions = wanted.collect();
        Self {
            revisions,
            held_back,
        }
    }

    /// The name of what the replica should run.
    pub fn digest(&self, ordinal: u32) -> &str {
        self.revisions
            .get(&ordinal)
            .map_or("", |(digest, _)| digest)
    }

    /// What the replica should run, with its name.
    pub fn revision(&self, ordinal: u32) -> Option<(&str, &Revision)> {
        let (digest, revision) = self.revisions.get(&ordinal)?;
        Some((digest, revision))
    }
}

fn one(
    subject: Subject<'_>,
    ordinal: u32,
    revisions: &Revisions,
    held_back: &mut HeldBack,
) -> Revision {
    let spec = &subject.service.spec;
    let (app, http) = (AppVersion::wanted(spec, ordinal), &spec.http);
    let assigned = revisions.assigned(ordinal).map(|kept| &kept.revision);
    let Some(assigned) = assigned.filter(|_| has_served(subject)) else {
        return Revision::new(subject, ordinal, app, http);
    };
    let http_held = assigned.http != crate::render::agreed(http);
    let app_held = spec.rollout.app == AppRollout::Switch && assigned.app != app;
    held_back.app |= app_held;
    held_back.http |= http_held;
    let http: &Http = if http_held { &assigned.http } else { http };
    let app = if app_held { assigned.app.clone() } else { app };
    Revision::new(subject, ordinal, app, http)
}

/// Whether a request may have been executed. Before, no version of the app has answered anything
/// that another could contradict, and a mistyped image may simply be corrected.
fn has_served(subject: Subject<'_>) -> bool {
    let status = subject.service.status.as_ref();
    status.is_some_and(|status| !status.app.revision.is_empty())
}
