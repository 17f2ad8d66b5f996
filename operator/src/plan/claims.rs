//! Volumes: made once, grown on demand, and never silently made again when a key was on them.

use std::collections::BTreeMap;

use byzantine_resource::{Quantity, StateType};

use super::Situation;
use crate::action::Action;
use crate::names;
use crate::object::{Existing, Kind, Object};
use crate::render::{self, Volume};

/// What is wrong with a replica's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimTrouble {
    /// The claim of a pinned replica's ledger is gone, and its keys with it.
    LedgerLost,
    /// It is being deleted, and goes as soon as no pod uses it.
    LedgerGoing,
    /// The volume behind the claim is gone.
    VolumeLost,
    /// A claim of that name belongs to something else.
    Foreign,
}

/// What is to be done about the volumes, and what cannot be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// Claims to be made or grown.
    pub actions: Vec<Action>,
    /// What is wrong, by ordinal.
    pub troubles: BTreeMap<u32, ClaimTrouble>,
    /// The incarnation for which each ledger volume was or is made.
    pub incarnations: BTreeMap<u32, u64>,
}

impl Claims {
    /// Looks at all volumes.
    pub fn new(situation: &Situation<'_>) -> Self {
        let mut claims = Self::default();
        let durable = situation.observed.service.spec.app.state.kind == StateType::Durable;
        for ordinal in 0..situation.replicas() {
            claims.ledger(situation, ordinal);
            if durable {
                claims.app(situation, ordinal);
            }
        }
        claims
    }

    /// Whether a volume is to be made.
    pub(super) fn makes_any(&self) -> bool {
        let makes = |action: &Action| matches!(action, Action::Apply { uid: None, .. });
        self.actions.iter().any(makes)
    }

    fn ledger(&mut self, situation: &Situation<'_>, ordinal: u32) {
        let name = names::ledger_claim(&situation.subject().name(), ordinal);
        let wanted = wanted_incarnation(situation, ordinal);
        let last = last_incarnation(situation, ordinal);
        let existing = situation
            .observed
            .object(Kind::PersistentVolumeClaim, &name);
        let incarnation = match existing {
            Some(existing) => made_for(existing).unwrap_or(last),
            None if !situation.pinned.keys.contains_key(&ordinal) || wanted > last => wanted,
            None => {
                self.troubles.insert(ordinal, ClaimTrouble::LedgerLost);
                self.incarnations.insert(ordinal, last);
                return;
            }
        };
        self.incarnations.insert(ordinal, incarnation);
        if let Some(trouble) = existing.and_then(|existing| trouble(situation, existing, ordinal)) {
            self.troubles.insert(ordinal, trouble);
        }
        self.claim(situation, ordinal, Volume::Ledger, incarnation);
    }

    /// The app's volume holds nothing that the ledger does not: it may be made again.
    fn app(&mut self, situation: &Situation<'_>, ordinal: u32) {
        let name = names::app_claim(&situation.subject().name(), ordinal);
        let existing = situation
            .observed
            .object(Kind::PersistentVolumeClaim, &name);
        if existing.is_some_and(|existing| !is_ours(situation, existing, ordinal)) {
            self.troubles.insert(ordinal, ClaimTrouble::Foreign);
        }
        self.claim(situation, ordinal, Volume::App, 1);
    }

    fn claim(&mut self, situation: &Situation<'_>, ordinal: u32, volume: Volume, incarnation: u64) {
        let mut object = render::claim(situation.subject(), ordinal, volume, incarnation);
        let existing = situation.observed.object(object.kind, &object.name);
        let Some(existing) = existing else {
            self.actions.push(Action::Apply { object, uid: None });
            return;
        };
        if existing.is_going() || !is_ours(situation, existing, ordinal) {
            return;
        }
        keep_what_cannot_change(&mut object, existing);
        if !object.is_in(&existing.body) {
            let uid = Some(existing.uid().to_owned());
            self.actions.push(Action::Apply { object, uid });
        }
    }
}

/// A claim's class is fixed, and its size only grows.
fn keep_what_cannot_change(object: &mut Object, existing: &Existing) {
    let bytes = |size: Option<&str>| size.and_then(|size| Quantity::new(size).bytes());
    let (wanted, has) = (
        render::size_of(&object.body),
        render::size_of(&existing.body),
    );
    if bytes(wanted) < bytes(has) {
        object.body["spec"]["resources"]["requests"]["storage"] = serde_json::json!(has);
    }
}

fn trouble(situation: &Situation<'_>, existing: &Existing, ordinal: u32) -> Option<ClaimTrouble> {
    let phase = existing
        .body
        .pointer("/status/phase")
        .and_then(|phase| phase.as_str());
    if !is_ours(situation, existing, ordinal) {
        Some(ClaimTrouble::Foreign)
    } else if existing.is_going() {
        Some(ClaimTrouble::LedgerGoing)
    } else if phase == Some("Lost") {
        Some(ClaimTrouble::VolumeLost)
    } else {
        None
    }
}

/// Claims that outlive their resource have no owner; their labels say whose they are.
fn is_ours(situation: &Situation<'_>, existing: &Existing, ordinal: u32) -> bool {
    let labels = names::replica_labels(&situation.subject().name(), ordinal);
    let labelled = labels
        .iter()
        .all(|(key, value)| existing.label(key) == Some(value));
    let free = existing.controller().is_none() || situation.observed.owns(existing);
    labelled && free
}

fn made_for(existing: &Existing) -> Option<u64> {
    existing
        .annotation(names::INCARNATION_ANNOTATION)?
        .parse()
        .ok()
}

fn wanted_incarnation(situation: &Situation<'_>, ordinal: u32) -> u64 {
    let overrides = &situation.observed.service.spec.overrides;
    let own = overrides.iter().find(|own| own.ordinal == ordinal);
    own.map_or(1, |own| own.incarnation)
}

fn last_incarnation(situation: &Situation<'_>, ordinal: u32) -> u64 {
    let status = situation.observed.service.status.as_ref();
    let mut members = status.into_iter().flat_map(|status| &status.members);
    let member = members.find(|member| member.ordinal == ordinal);
    member.map_or(1, |member| member.incarnation.max(1))
}
