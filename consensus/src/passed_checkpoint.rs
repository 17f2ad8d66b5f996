//! A checkpoint that cannot become stable: null batches lead on to the next one.
//!
//! Whoever cosigned the tree at a checkpoint, before a RESOLVE settled something below it
//! otherwise, never cosigns it again; with f faulty replicas that are silent there is no quorum
//! for it then, ever. A later certificate covers what it held, but the watermarks move from
//! checkpoint to checkpoint, and at the window's end there is no room for requests.
//!
//! The end is kept for RESOLVEs. Where everything below is certified none of these is needed, and
//! a null batch needs none either: no app answers it, so all cosign the same.

use crate::batch::Batch;
use crate::effect::Effects;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::types::Sequence;

impl Replica {
    /// Proposes the next null batch on the way, if requests wait for it.
    pub(crate) fn pass_checkpoint(&mut self, effects: &mut Effects) {
        let sequence = self.next_sequence;
        let wanted = self.pool.unproposed() > 0 || self.is_awaited();
        let reserved = sequence > self.last_for_requests();
        if self.may_lead() && wanted && reserved && self.leads_past_checkpoint(sequence) {
            self.pre_prepare(Batch::null(sequence), effects);
            self.next_sequence = sequence.next();
        }
    }

    /// Whether everything below a sequence is certified, a checkpoint among it that is not stable.
    pub(crate) fn leads_past_checkpoint(&self, sequence: Sequence) -> bool {
        let passed = self.certified >= self.stable + self.config.checkpoint_interval;
        let next = self.certified.next() == sequence && sequence <= self.high_watermark();
        passed && next && !is_on(Bug::WatermarkMissed)
    }

    /// Whether a replica that abstains waits for the order to come so far.
    fn is_awaited(&self) -> bool {
        let mut reports = self.peers.values();
        reports.any(|report| report.awaits >= self.next_sequence)
    }
}
