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
        let agreed = Agreed::of(subject, revisions);
        let mut held_back = HeldBack::default();
        let wanted = subject.ordinals().map(|ordinal| {
            let assigned = revisions.assigned(ordinal).map(|kept| &kept.revision);
            let revision = one(subject, ordinal, assigned, agreed, &mut held_back);
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

/// What most replicas were assigned, once they serve. An operator that was asleep may have given
/// one of them something else: it comes back to what the others have.
#[derive(Clone, Copy, Default)]
struct Agreed<'a> {
    app: Option<&'a AppVersion>,
    http: Option<&'a Http>,
}

impl<'a> Agreed<'a> {
    fn of(subject: Subject<'_>, revisions: &'a Revisions) -> Self {
        if !has_served(subject) {
            return Self::default();
        }
        let assigned = |ordinal| revisions.assigned(ordinal).map(|kept| &kept.revision);
        let plain = |ordinal: &u32| !is_overridden(subject, *ordinal);
        let of_plain = subject.ordinals().filter(plain).filter_map(assigned);
        let apps: Vec<_> = of_plain.map(|one| &one.app).collect();
        let all = subject.ordinals().filter_map(assigned);
        let https: Vec<_> = all.map(|one| &one.http).collect();
        Self {
            app: most_common(&apps),
            http: most_common(&https),
        }
    }
}

/// The first of those that occur most often.
fn most_common<'a, T: PartialEq>(all: &[&'a T]) -> Option<&'a T> {
    let count = |one: &T| all.iter().filter(|other| **other == one).count();
    all.iter().rev().copied().max_by_key(|one| count(one))
}

fn is_overridden(subject: Subject<'_>, ordinal: u32) -> bool {
    let mut overrides = subject.service.spec.overrides.iter();
    overrides.any(|own| own.ordinal == ordinal)
}

fn one(
    subject: Subject<'_>,
    ordinal: u32,
    assigned: Option<&Revision>,
    agreed: Agreed<'_>,
    held_back: &mut HeldBack,
) -> Revision {
    let spec = &subject.service.spec;
    let (app, http) = (AppVersion::wanted(spec, ordinal), &spec.http);
    let known = if is_overridden(subject, ordinal) {
        let own = assigned.map(|assigned| &assigned.app);
        own.filter(|_| has_served(subject))
    } else {
        agreed.app
    };
    let kept_http = agreed
        .http
        .filter(|known| **known != crate::render::agreed(http));
    let kept_app = known.filter(|known| spec.rollout.app == AppRollout::Switch && **known != app);
    held_back.app |= kept_app.is_some();
    held_back.http |= kept_http.is_some();
    let app = kept_app.cloned().unwrap_or(app);
    Revision::new(subject, ordinal, app, kept_http.unwrap_or(http))
}

/// Whether a request may have been executed. Before, no version of the app has answered anything
/// that another could contradict, and a mistyped image may simply be corrected.
fn has_served(subject: Subject<'_>) -> bool {
    let status = subject.service.status.as_ref();
    status.is_some_and(|status| !status.app.revision.is_empty())
}
