//! Which revision each replica was assigned, and which it had before.
//!
//! `ControllerRevision`s say it: of a replica's, the one with the highest number is assigned.

use std::collections::BTreeMap;

use kube::ResourceExt as _;

use crate::names;
use crate::object::{Existing, Kind};
use crate::observed::Observed;
use crate::render::Revision;

/// A revision that a replica has or had.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The name of its object.
    pub name: String,
    /// The UID of its object.
    pub uid: String,
    /// Its place in the history.
    pub number: i64,
    /// What the replica runs.
    pub revision: Revision,
    /// Its name.
    pub digest: String,
    /// Why it must not be tried again.
    pub failed: Option<String>,
}

/// The revisions of all replicas, each newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revisions(BTreeMap<u32, Vec<Kept>>);

impl Revisions {
    /// Reads those that are the service's own.
    pub fn of(observed: &Observed) -> Self {
        let mut all: BTreeMap<u32, Vec<Kept>> = BTreeMap::new();
        let name = observed.service.name_any();
        for existing in observed.all(Kind::ControllerRevision) {
            let kept = observed.owns(existing).then(|| kept(existing)).flatten();
            if let Some((ordinal, kept)) = kept.filter(|(ordinal, kept)| {
                kept.name == format!("{}-{}", names::replica(&name, *ordinal), kept.digest)
            }) {
                all.entry(ordinal).or_default().push(kept);
            }
        }
        for history in all.values_mut() {
            history.sort_by(|a, b| (b.number, &b.name).cmp(&(a.number, &a.name)));
        }
        Self(all)
    }

    /// All of a replica, newest first.
    pub fn history(&self, ordinal: u32) -> &[Kept] {
        self.0.get(&ordinal).map_or(&[], Vec::as_slice)
    }

    /// The one that the replica is to run.
    pub fn assigned(&self, ordinal: u32) -> Option<&Kept> {
        self.history(ordinal).first()
    }

    /// The one of that name.
    pub fn named(&self, ordinal: u32, digest: &str) -> Option<&Kept> {
        self.history(ordinal)
            .iter()
            .find(|kept| kept.digest == digest)
    }

    /// Why the revision of that name must not be tried again.
    pub fn failure(&self, ordinal: u32, digest: &str) -> Option<&str> {
        self.named(ordinal, digest)?.failed.as_deref()
    }

    /// The newest one, other than `digest`, that has not failed.
    pub fn before(&self, ordinal: u32, digest: &str) -> Option<&Kept> {
        let mut history = self.history(ordinal).iter();
        history.find(|kept| kept.digest != digest && kept.failed.is_none())
    }

    /// The number that a replica's next assignment gets.
    pub fn next_number(&self, ordinal: u32) -> i64 {
        self.assigned(ordinal)
            .map_or(1, |kept| kept.number.saturating_add(1))
    }
}

fn kept(existing: &Existing) -> Option<(u32, Kept)> {
    let ordinal = existing.label(names::REPLICA_LABEL)?.parse().ok()?;
    let revision = Revision::kept(existing)?;
    let kept = Kept {
        name: existing.name().to_owned(),
        uid: existing.uid().to_owned(),
        number: existing.body.get("revision")?.as_i64()?,
        digest: revision.digest(),
        revision,
        failed: existing
            .annotation(names::FAILED_ANNOTATION)
            .map(str::to_owned),
    };
    Some((ordinal, kept))
}
