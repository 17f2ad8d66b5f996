//! A replica that claims to know none of its app's answers.

use super::{Attack, Scene};
use byzantine_consensus::Outcome;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct LostResults;

impl Attack for LostResults {
    fn outcomes(&mut self, _: &mut Scene<'_>, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        outcomes.iter().map(|_| Outcome::Lost).collect()
    }
}
