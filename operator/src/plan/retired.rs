//! Revisions that no replica needs any more.

use super::Situation;
use super::replacement::Course;
use crate::action::Action;
use crate::object::Kind;

/// The assigned revision, and as many before it, are kept for each replica.
const HISTORY: usize = 3;

/// Deletes what is older, except what still says that a desired revision has failed or what a
/// replacement is about.
pub(super) fn actions(situation: &Situation<'_>, course: &Course) -> Vec<Action> {
    let mut actions = Vec::new();
    for ordinal in 0..situation.replicas() {
        let desired = situation.desired.digest(ordinal);
        let turn = course
            .replacing
            .as_ref()
            .filter(|turn| turn.ordinal == ordinal);
        let old = situation.revisions.history(ordinal).iter().skip(HISTORY);
        let needed =
            |digest: &str| digest == desired || turn.is_some_and(|turn| turn.revision == digest);
        for kept in old.filter(|kept| !needed(&kept.digest)) {
            actions.push(Action::Delete {
                kind: Kind::ControllerRevision,
                name: kept.name.clone(),
                uid: kept.uid.clone(),
            });
        }
    }
    actions
}
