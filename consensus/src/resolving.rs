//! RESOLVE: justified, proposed, executed. (docs/protocol.md, "Divergence")
//!
//! Whoever could justify one gives the primary what it takes and runs a clock: a sequence that is
//! executed and not settled has no request clock any more.

use std::time::Duration;

use byzantine_proof::Digest;

use crate::batch::Batch;
use crate::effect::{Effects, Notice};
use crate::execution::Answer;
use crate::frame::Frame;
use crate::limits::BATCH_RESOLUTIONS;
use crate::replica::Replica;
use crate::request::Request;
use crate::resolution::{Decision, Evidence, Resolution};
use crate::sabotage::{Bug, is_on};
use crate::signed::SignedMessage;
use crate::slot::Slot;
use crate::types::Sequence;
use crate::verdict::{Disagreement, Place};

impl Replica {
    /// Starts the clock of every sequence that a RESOLVE could settle now, and hands the
    /// evidence to the primary.
    pub(crate) fn watch_resolutions(&mut self, effects: &mut Effects) {
        if self.changing {
            return;
        }
        let (primary, now) = (self.primary(), self.now.monotonic);
        for sequence in self.resolvable() {
            let unwatched = |slot: &Slot| slot.justified_since.is_none();
            if !self.slots.get(&sequence).is_some_and(unwatched) {
                continue;
            }
            let Some(resolution) = self.justification(sequence) else {
                continue;
            };
            if let Some(slot) = self.slots.get_mut(&sequence) {
                slot.justified_since = Some(now);
            }
            if primary != self.config.replica {
                let relay = Frame::Relay(resolution.into_messages());
                effects.direct.push((primary, relay));
            }
        }
    }

    /// Sequences that someone promised, and that neither a certificate nor a RESOLVE settles.
    fn resolvable(&self) -> Vec<Sequence> {
        let open = self.promised.range(self.certified.next()..).copied();
        open.filter(|sequence| {
            let slot = self.slots.get(sequence);
            let run = slot.and_then(|slot| slot.run.as_ref());
            run.is_some_and(|run| run.resolved.is_none())
        })
        .collect()
    }

    /// A RESOLVE that everybody would accept.
    fn justification(&self, sequence: Sequence) -> Option<Resolution> {
        let slot = self.slots.get(&sequence)?;
        let run = slot.run.as_ref()?;
        let few = usize::from(is_on(Bug::FewPromises));
        let wanted = (self.config.membership.n() - self.faults()).saturating_sub(few);
        let evidence = if run
            .settled_by_results(&slot.results, self.quorum())
            .is_some()
        {
            Evidence::Results(self.settling_results(sequence))
        } else if slot.promises.len() >= wanted {
            let promises = slot.promises.values().take(wanted);
            Evidence::Promises(promises.map(|promise| promise.signed().clone()).collect())
        } else {
            return None;
        };
        Some(Resolution {
            sequence,
            leaves: u32::try_from(run.items.len()).ok()?,
            evidence,
        })
    }

    /// The primary proposes, in a batch of their own, the RESOLVEs that are due. Where RESULTs
    /// settle the sequence after all, certificates get some time to make it unnecessary.
    pub(crate) fn propose_resolutions(&mut self, effects: &mut Effects) {
        if !self.may_lead() || !self.has_room_to_resolve() {
            return;
        }
        let due: Vec<Resolution> = self
            .resolvable()
            .into_iter()
            .filter(|sequence| self.is_due(*sequence))
            .filter_map(|sequence| self.justification(sequence))
            .take(BATCH_RESOLUTIONS)
            .collect();
        if due.is_empty() {
            return;
        }
        for resolution in &due {
            if let Some(slot) = self.slots.get_mut(&resolution.sequence) {
                slot.resolution_proposed = Some(self.view);
            }
        }
        let sequence = self.next_sequence;
        self.pre_prepare(Batch::resolving(sequence, due), effects);
        self.next_sequence = sequence.next();
    }

    /// The window's end takes one batch of RESOLVEs a view, so that one waits until it can settle
    /// everything that is open. What somebody promised is open for him, even where RESULTs settled
    /// it here: left out it would stay so, and use up the end for nothing.
    fn has_room_to_resolve(&self) -> bool {
        let next = self.next_sequence;
        if next <= self.last_for_requests() {
            return true;
        }
        let all_handed_over = self.dispatched.next() == next;
        let settled = self.settled.next();
        let end = if is_on(Bug::RangeReversed) {
            next
        } else {
            next.max(settled)
        };
        let mut open = self.slots.range(settled..end);
        next <= self.high_watermark()
            && all_handed_over
            && !self.reserved_is_used(next)
            && open.all(|(sequence, slot)| self.is_resolved(slot) || self.is_due(*sequence))
            && self.resolvable().into_iter().all(|it| self.is_due(it))
    }

    fn is_resolved(&self, slot: &Slot) -> bool {
        let run = slot.run.as_ref();
        run.is_some_and(|run| run.decided(slot, self.quorum()).is_some())
    }

    fn is_due(&self, sequence: Sequence) -> bool {
        let Some(slot) = self.slots.get(&sequence) else {
            return false;
        };
        let Some(since) = slot.justified_since else {
            return false;
        };
        let run = slot.run.as_ref();
        let by_results = run.is_some_and(|run| {
            run.settled_by_results(&slot.results, self.quorum())
                .is_some()
        });
        let ripe = !by_results || self.now.monotonic >= since + self.resolve_patience();
        ripe && slot.resolution_proposed != Some(self.view)
    }

    /// The moments at which a RESOLVE is due or overdue, with the sequence it is for.
    pub(crate) fn oldest_resolvable(&self) -> Option<(Duration, Sequence)> {
        let open = self.resolvable().into_iter();
        open.filter_map(|sequence| {
            let since = self.slots.get(&sequence)?.justified_since?;
            Some((since, sequence))
        })
        .min()
    }

    /// Whether a backup may agree to the RESOLVEs of a batch.
    pub(crate) fn resolutions_hold(&self, batch: &Batch) -> bool {
        let resolutions = batch.resolutions.iter();
        let mut decided = resolutions.map(|resolution| resolution.decide(self.judge()));
        decided.all(|decided| decided.is_ok())
    }

    /// Rule (iii). The first RESOLVE of a sequence that is executed wins; a certificate, which
    /// can only say the same, makes it unnecessary.
    pub(crate) fn execute_resolutions(&mut self, batch: &Batch, effects: &mut Effects) {
        for resolution in &batch.resolutions {
            let Ok(decisions) = resolution.decide(self.judge()) else {
                continue;
            };
            let Some(resolved) = self.resolve(resolution.sequence, &decisions) else {
                continue;
            };
            let sequence = resolution.sequence;
            let verdicts = resolved
                .iter()
                .filter(|(_, verdict)| verdict.is_some())
                .count();
            effects
                .notices
                .push(Notice::Resolved { sequence, verdicts });
            self.settle_anew(sequence, resolved);
        }
    }

    /// The leaves that decisions come to; `None` where there is nothing to decide any more.
    fn resolve(
        &self,
        sequence: Sequence,
        decisions: &[Decision],
    ) -> Option<Vec<(Digest, Option<Answer>)>> {
        let run = self.slots.get(&sequence)?.run.as_ref()?;
        let first = run.resolved.is_none() || is_on(Bug::LastResolveWins);
        let open = sequence > self.certified && first;
        if !open || run.items.len() != decisions.len() {
            return None;
        }
        let decided = (0_u32..)
            .zip(decisions)
            .map(|(index, decision)| match decision {
                Decision::Leaf(leaf) => Some((*leaf, None)),
                Decision::Verdict(disagreement) => {
                    let verdict = self.verdict(sequence, index, disagreement)?;
                    Some((verdict.leaf_hash(), Some(verdict)))
                }
            });
        decided.collect()
    }

    fn verdict(&self, sequence: Sequence, index: u32, why: &Disagreement) -> Option<Answer> {
        let run = self.slots.get(&sequence)?.run.as_ref()?;
        let item = run.items.get(usize::try_from(index).ok()?)?;
        let known = self.ran.get(&item.request_id)?;
        let request = Request::decode(&known.request.bytes)?;
        let place = Place {
            sequence,
            index,
            time: run.time,
        };
        Some(self.config.verdicts.verdict(place, &request, why))
    }

    /// Replaces what RESULTs had settled: the tree is cut there and grows anew. A size that was
    /// attested stays attested and is not attested again; the next larger one proves the leaves.
    fn settle_anew(&mut self, sequence: Sequence, resolved: Vec<(Digest, Option<Answer>)>) {
        let leaves: Vec<Digest> = resolved.iter().map(|(leaf, _)| *leaf).collect();
        let Some(run) = self
            .slots
            .get_mut(&sequence)
            .and_then(|slot| slot.run.as_mut())
        else {
            return;
        };
        run.resolved = Some(resolved);
        let same = run
            .settled
            .as_ref()
            .is_none_or(|settled| settled.leaves == leaves);
        if !same {
            self.unsettle(sequence);
        }
    }

    /// Takes back what rule (i) settled from a sequence on.
    pub(crate) fn unsettle(&mut self, sequence: Sequence) {
        let run = self.slots.get(&sequence).and_then(|slot| slot.run.as_ref());
        let Some(settled) = run.and_then(|run| run.settled.as_ref()) else {
            return;
        };
        self.frontier = settled.before.clone();
        self.settled = Sequence(sequence.0 - 1);
        for slot in self.slots.range_mut(sequence..).map(|(_, slot)| slot) {
            if let Some(run) = &mut slot.run {
                run.settled = None;
            }
        }
    }
}

impl Resolution {
    fn into_messages(self) -> Vec<SignedMessage> {
        match self.evidence {
            Evidence::Results(messages) | Evidence::Promises(messages) => messages,
        }
    }
}
