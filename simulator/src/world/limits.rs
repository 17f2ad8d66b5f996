//! What a correct replica may hold and propose, looked at after each of its steps.

use byzantine_consensus::limits::{BATCH_REQUESTS, KNOWN_REQUESTS};
use byzantine_consensus::{Notice, Sequence};

use super::{World, replica_id};
use crate::check::Violation;
use crate::node::Turn;

/// Views that may pass after the healing of a run of usual length: about twice as many as any sound
/// one took. A liar in turn leads and is left for as long as there are requests.
const VIEWS: u64 = 30;
const VIEWS_A_MEMBER: u64 = 10;

impl World {
    /// Patience doubles, so a healed quorum needs few views, however slow its network is.
    pub(super) fn needs_few_views(&self, slot: usize, notice: &Notice) -> Result<(), Violation> {
        let Notice::ViewChangeStarted { view, .. } = notice else {
            return Ok(());
        };
        let views = view.0.saturating_sub(self.view_at_healing);
        let usual = VIEWS + VIEWS_A_MEMBER * self.plan.options.members as u64;
        let most = usual * self.plan.length();
        if self.healed_at.is_some() && self.is_correct(slot) && views > most {
            let detail = format!("{views} views passed after the healing");
            return Err(Violation::new("views", detail));
        }
        Ok(())
    }

    /// A window of sequences, a quota for each gateway, and no proposal of what was answered.
    pub(super) fn stays_within_limits(&self, slot: usize, turn: &Turn) -> Result<(), Violation> {
        let node = &self.places[slot].node;
        let Some(replica) = node.replica().filter(|_| self.is_correct(slot)) else {
            return Ok(());
        };
        let window = 2 * self.plan.checkpoint_interval;
        if replica.held_sequences() as u64 > window {
            let open = replica.held_sequences();
            let detail = format!("replica {} holds {open} sequences of {window}", node.id);
            return Err(Violation::new("bounds", detail));
        }
        for liar in &self.plan.liars {
            let pooled = replica.pooled_of(replica_id(*liar));
            // What a batch of the window names has room beyond the quota, and a liar may lead.
            let named = usize::try_from(window).unwrap_or(usize::MAX) * BATCH_REQUESTS;
            if pooled > 2 * KNOWN_REQUESTS + named {
                let detail = format!("replica {} holds {pooled} requests of {liar}", node.id);
                return Err(Violation::new("bounds", detail));
            }
        }
        // What the same step handed over may have been proposed before that.
        let is_old = |place: Option<(Sequence, u32)>| {
            place.is_some_and(|(sequence, _)| sequence <= turn.committed)
        };
        match turn.proposed.iter().find(|id| is_old(replica.answered(id))) {
            Some(id) => {
                let detail = format!("replica {} proposes {id}, which was answered", node.id);
                Err(Violation::new("proposal", detail))
            }
            None => Ok(()),
        }
    }
}
