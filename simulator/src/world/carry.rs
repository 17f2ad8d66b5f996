//! What leaves a replica, a client or an app, and where it arrives.

use std::sync::Arc;

use byzantine_consensus::{Frame, ReplicaId, Request, RequestId, SharedFrame};

use super::{Happening, World};
use crate::check::Violation;
use crate::client::Disbelief;
use crate::fault::Fault;
use crate::ledger::Proven;
use crate::node::{Input, Turn};
use crate::plan::MILLISECOND;
use crate::trace::describe;

impl World {
    /// Carries out what a step brought about, after the sync that took `delay`.
    pub(super) fn carry_out(&mut self, slot: usize, mut turn: Turn, delay: u64) {
        for (client, id, proven) in std::mem::take(&mut turn.replies) {
            if let Some(proven) = self.told(slot, proven) {
                let proven = Box::new(proven);
                let reply = Happening::Reply { client, id, proven };
                self.at(delay + MILLISECOND, reply);
            }
        }
        if self.lies(slot) {
            self.speak_falsely(slot, turn, delay);
        } else {
            self.speak(slot, turn, delay);
        }
    }

    fn speak(&mut self, slot: usize, turn: Turn, delay: u64) {
        for frame in self.sealed_frames(&turn) {
            for peer in 0..self.plan.options.members {
                self.send(slot, super::replica_id(peer), &frame, delay);
            }
        }
        for (peer, frame) in turn.direct {
            self.send(slot, peer, &Arc::new(SharedFrame::new(frame)), delay);
        }
    }

    /// A frame for all, of each envelope. Where signatures are real, whoever is reached opens it.
    pub(super) fn sealed_frames(&self, turn: &Turn) -> Vec<Arc<SharedFrame>> {
        let mut batches = turn.batches.clone();
        let envelopes = turn.envelopes.iter().map(|(envelope, _)| envelope.clone());
        let frames = envelopes.zip(&turn.sealed).map(|(envelope, sealed)| {
            let batches = std::mem::take(&mut batches);
            if self.plan.real_keys {
                SharedFrame::new(Frame::Envelope { envelope, batches })
            } else {
                SharedFrame::sealed(envelope, batches, sealed)
            }
        });
        frames.map(Arc::new).collect()
    }

    /// Sends a frame to a member: to whichever twin it is that this sender talks to.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: ReplicaId,
        frame: &Arc<SharedFrame>,
        delay: u64,
    ) {
        let own = self.places[from].node.id;
        if to == own || usize::from(to.0) >= self.plan.options.members {
            return;
        }
        let Some(slot) = self.slot_of(to, own) else {
            return;
        };
        if !self.meets(from, to) {
            return;
        }
        if self.network.sieves_out(slot, frame.frame()) {
            return;
        }
        let fate = self.network.fate(from, slot);
        if let Some(struck) = fate.struck {
            self.trace.count(struck.name());
        }
        for arrival in fate.arrivals.into_iter().flatten() {
            let (to, frame) = (slot, Arc::clone(frame));
            self.at(delay + arrival, Happening::Deliver { from, to, frame });
        }
    }

    /// What a liar wants its own core to hear, on no network.
    pub(super) fn tell_itself(&mut self, slot: usize, frame: &Arc<SharedFrame>) {
        let (from, to, frame) = (slot, slot, Arc::clone(frame));
        self.at(0, Happening::Deliver { from, to, frame });
    }

    /// Which process answers to this name for that member.
    fn slot_of(&self, name: ReplicaId, asking: ReplicaId) -> Option<usize> {
        let members = self.plan.options.members;
        let twin = self.places.get(members).filter(|twin| twin.node.id == name);
        let side = self
            .sides
            .get(usize::from(asking.0))
            .copied()
            .unwrap_or(false);
        match twin {
            Some(_) if side => Some(members),
            _ => Some(usize::from(name.0)).filter(|slot| *slot < members),
        }
    }

    /// A twin speaks only to those on its side.
    fn meets(&self, from: usize, to: ReplicaId) -> bool {
        let own = self.places[from].node.id;
        self.slot_of(own, to) == Some(from)
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, frame: Arc<SharedFrame>) {
        if self.network.is_cut(from, to) || !self.places[to].node.is_up() {
            return;
        }
        let sender = self.places[from].node.id;
        let receiver = self.places[to].node.id;
        self.trace.line(self.now, || {
            format!("r{receiver} <- r{sender} {}", describe(frame.frame()))
        });
        self.trace.count(match frame.frame() {
            Frame::Envelope { .. } => "frame envelope",
            Frame::Relay(_) => "frame relay",
            Frame::Fetch(_) => "frame fetch",
            Frame::Supply(_) => "frame supply",
            #[allow(unreachable_patterns, reason = "the core may learn new frames")]
            Frame::State(_) => "frame other",
        });
        if self.lies(to) {
            self.heard.hear(&frame);
        }
        self.input(to, Input::Frame(sender, frame));
    }

    /// Sets the app to work, if there is something to run.
    pub(super) fn start_app(&mut self, slot: usize) {
        let place = &mut self.places[slot];
        if place.running || !place.node.is_up() || !place.node.executor.has_work() {
            return;
        }
        place.running = true;
        let life = place.node.lives;
        let time = self.random.between(20, self.plan.app_time);
        self.at(time, Happening::RunApp { slot, life });
    }

    pub(super) fn run_app(&mut self, slot: usize, life: u32) -> Result<(), Violation> {
        let place = &mut self.places[slot];
        if !place.node.is_up() || place.node.lives != life {
            return Ok(());
        }
        place.running = false;
        let accident = place.accident.take();
        let ran = place.node.run_app(accident);
        let id = place.node.id;
        let ran = match ran {
            Ok(ran) => ran,
            Err(twice) if self.is_correct(slot) => {
                return Err(Violation::new(
                    "exactly-once",
                    format!("replica {id}: {twice:?}"),
                ));
            }
            Err(_) => None,
        };
        if let Some(ran) = ran {
            self.checks.called(id, &ran.calls)?;
            if ran.lost {
                self.trace.count("answer lost");
            }
            let sequence = ran.sequence;
            self.trace.line(self.now, || {
                format!("r{id} ran s{sequence} ({} calls)", ran.calls.len())
            });
            if let Some(outcomes) = ran.outcomes {
                let outcomes = self.own_outcomes(slot, outcomes);
                self.input(slot, Input::Executed(sequence, outcomes));
            }
        }
        self.start_app(slot);
        Ok(())
    }

    pub(super) fn invoke(&mut self, client: usize) {
        let Some((call, request)) = self.clients.next(client, self.now) else {
            return;
        };
        self.submit_somewhere(client, request.clone());
        self.stray(client, &request);
        if self.plan.faults.has(Fault::Retry) && self.random.chance(200) {
            self.trace.count(Fault::Retry.name());
            self.submit_somewhere(client, request);
        }
        let attempt = 1;
        let impatience = Happening::Impatience {
            client,
            call,
            attempt,
        };
        self.at(self.plan.patience, impatience);
    }

    /// A copy that was under way for long reaches a gateway, and nobody waits for its answer.
    fn stray(&mut self, client: usize, request: &Request) {
        let Some(delay) = self.clients.stray(self.plan.keys.client) else {
            return;
        };
        let request = Box::new(request.clone());
        let submit = Happening::Submit {
            client,
            gateway: client % self.plan.options.members,
            request,
        };
        self.at(delay, submit);
    }

    fn submit_somewhere(&mut self, client: usize, request: Request) {
        let gateway = self.clients.gateway(client, self.plan.options.members);
        let request = Box::new(request);
        let delay = self.random.between(100, 2 * MILLISECOND);
        let submit = Happening::Submit {
            client,
            gateway,
            request,
        };
        self.at(delay, submit);
    }

    pub(super) fn submit(&mut self, client: usize, gateway: usize, request: Request) {
        let line = |request: &Request| format!("{} {}", request.method, request.target);
        self.trace.line(self.now, || {
            format!("c{client} -> r{gateway} {}", line(&request))
        });
        self.input(gateway, Input::Submit(client, request));
    }

    pub(super) fn grow_impatient(&mut self, client: usize, call: usize, attempt: u32) {
        if self.clients.waits(client) != Some((call, attempt)) {
            return;
        }
        if let Some(request) = self.clients.again(client, attempt) {
            self.trace.count("client tries again");
            self.submit_somewhere(client, request);
            let attempt = attempt + 1;
            let next = Happening::Impatience {
                client,
                call,
                attempt,
            };
            self.at(self.plan.patience, next);
        }
    }

    pub(super) fn reply(&mut self, client: usize, id: &RequestId, proven: &Proven) {
        let authority = std::sync::Arc::clone(self.places[0].node.authority());
        let judge = (&self.membership, authority.as_ref());
        let believed = self.clients.reply(client, id, proven, self.now, judge);
        self.trace.line(self.now, || {
            format!("c{client} <- leaf {}: {believed:?}", proven.position)
        });
        match believed {
            Ok(()) => {
                let rest = self.plan.chaos / 20;
                let think = self
                    .random
                    .below(if self.healed_at.is_some() { 1000 } else { rest });
                self.at(think, Happening::Invoke(client));
            }
            Err(Disbelief::Stale) => {}
            Err(Disbelief::Refused) => self.trace.count("client asks elsewhere"),
            Err(_) => self.trace.count("reply disbelieved"),
        }
    }
}
