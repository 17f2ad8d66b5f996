//! What leaves a liar.

use std::sync::Arc;

use byzantine_consensus::{Frame, Message, Outcome, ReplicaId, SharedFrame};

use super::{World, replica_id};
use crate::adversary::{Attack, Scene};
use crate::ledger::Proven;
use crate::node::Turn;
use crate::plan::MILLISECOND;

/// How often a liar says more than its core wants to: two that answer one another's storms would
/// else stop virtual time.
const INJECTION: u64 = 3 * MILLISECOND;

/// The most frames that liars add in a run: after that they lie only in what they are asked for, or
/// a long run on a slow network would be of nothing else.
const MOST_INJECTED: usize = 20_000;

impl World {
    /// Whether what leaves this process is altered.
    pub(super) fn lies(&self, slot: usize) -> bool {
        self.attack.is_some() && self.is_liar(slot)
    }

    fn is_liar(&self, slot: usize) -> bool {
        self.plan
            .liars
            .contains(&usize::from(self.places[slot].node.id.0))
    }

    /// What a gateway tells its client, if anything.
    pub(super) fn told(&mut self, slot: usize, proven: Proven) -> Option<Proven> {
        if !self.lies(slot) {
            return Some(proven);
        }
        self.with_attack(slot, |attack, scene| {
            if attack.serves(scene) {
                attack.reply(scene, proven)
            } else {
                None
            }
        })
    }

    pub(super) fn own_outcomes(&mut self, slot: usize, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        if !self.lies(slot) {
            return outcomes;
        }
        self.with_attack(slot, |attack, scene| attack.outcomes(scene, outcomes))
    }

    pub(super) fn speak_falsely(&mut self, slot: usize, turn: Turn, delay: u64) {
        let mut parcels: Vec<(ReplicaId, Arc<SharedFrame>, u64)> = Vec::new();
        let spent = self.injected >= MOST_INJECTED;
        let silent = spent || self.resting || self.now < self.places[slot].injects_at;
        if !silent {
            self.places[slot].injects_at = self.now + INJECTION;
        }
        let mut added = 0;
        let honest = self.sealed_frames(&turn);
        self.with_attack(slot, |attack, scene| {
            for to in scene.others() {
                let held = attack.delay(scene, to);
                for ((_, messages), honest) in turn.envelopes.iter().zip(&honest) {
                    let said = altered(attack, scene, to, messages, honest);
                    parcels.extend(said.map(|frame| (to, frame, held)));
                }
            }
            for (to, frame) in turn.direct {
                let held = attack.delay(scene, to);
                let frame = attack.direct(scene, to, frame);
                parcels.extend(frame.map(|frame| (to, alone(frame), held)));
            }
            if !silent {
                let injected = attack.inject(scene);
                added = injected.len();
                parcels.extend(injected.into_iter().map(|(to, it)| (to, alone(it), 0)));
            }
        });
        self.injected += added;
        let own = self.places[slot].node.id;
        for (to, frame, held) in parcels {
            if to == own {
                self.tell_itself(slot, &frame);
            } else {
                self.send(slot, to, &frame, delay + held);
            }
        }
    }

    fn with_attack<T>(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut dyn Attack, &mut Scene<'_>) -> T,
    ) -> T {
        let mut attack = self
            .attack
            .take()
            .expect("only a world with an attack has liars that lie");
        let liars: Vec<ReplicaId> = self
            .plan
            .liars
            .iter()
            .map(|liar| replica_id(*liar))
            .collect();
        let node = &self.places[slot].node;
        let (view, certified) = node
            .replica()
            .map(|replica| (replica.view(), replica.certified()))
            .unwrap_or_default();
        let authority = Arc::clone(node.authority());
        let mut scene = Scene {
            me: node.id,
            liars: &liars,
            members: self.plan.options.members,
            faulty: self.plan.faulty,
            checkpoint_interval: self.plan.checkpoint_interval,
            view,
            certified,
            origin: self.origin,
            authority: authority.as_ref(),
            random: &mut self.lie_random,
            heard: &self.heard,
            now: self.now,
            request_timeout: self.plan.timeouts[0] * crate::plan::MILLISECOND,
        };
        let done = act(attack.as_mut(), &mut scene);
        self.attack = Some(attack);
        done
    }
}

fn alone(frame: Frame) -> Arc<SharedFrame> {
    Arc::new(SharedFrame::new(frame))
}

/// What one member is told instead, if anything: the same frame as the others where that is
/// unaltered.
fn altered(
    attack: &mut dyn Attack,
    scene: &mut Scene<'_>,
    to: ReplicaId,
    messages: &[Message],
    honest: &Arc<SharedFrame>,
) -> Option<Arc<SharedFrame>> {
    let Frame::Envelope { envelope, batches } = honest.frame() else {
        return None;
    };
    let beside = attack.batches(scene, to, batches.clone());
    let said = attack.messages(scene, to, messages.to_vec());
    if said.is_empty() && beside.is_empty() {
        return None;
    }
    if said != messages {
        return Some(alone(scene.seal_with(&said, beside)));
    }
    if beside == *batches {
        return Some(Arc::clone(honest));
    }
    Some(alone(Frame::Envelope {
        envelope: envelope.clone(),
        batches: beside,
    }))
}
