//! From RESULTs to leaves: settling, attesting, certifying. (docs/protocol.md, "Results")
//!
//! A leaf is settled by q RESULTs that name it, or by a certificate over a tree that holds it.
//! Any two quorums share a correct replica, which sends one RESULT per sequence, so no two
//! correct replicas settle different leaves.

use byzantine_proof::{Digest, ReplicaId};

use crate::certificate::CheckpointCertificate;
use crate::effect::{Effects, Notice};
use crate::execution::{Certificate, Outcome};
use crate::frame::{Fetch, Frame};
use crate::limits::DIFFERENCES;
use crate::message::{Attestation, Message, ResultVote};
use crate::record::Record;
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::signed::Verified;
use crate::types::Sequence;

impl Replica {
    /// What a replica's app answered.
    pub(crate) fn on_result(
        &mut self,
        message: Verified<ResultVote>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (sender, sequence) = (message.sender(), message.body().sequence);
        let quorum = self.quorum();
        let slot = self.slot_mut(sequence)?;
        match slot.results.get(&sender) {
            Some(before) if before.body() == message.body() => return Ok(()),
            Some(_) => {
                if slot.reconsider(message, quorum) {
                    self.compare_results(sequence, effects);
                }
                effects.notices.push(Notice::Equivocated {
                    replica: sender,
                    sequence,
                });
                return Err(Rejection::Equivocation);
            }
            None => slot.results.insert(sender, message),
        };
        self.compare_results(sequence, effects);
        self.note_outvoted(sequence, Some(sender), effects);
        Ok(())
    }

    /// Settles, in order, everything that own outcomes and RESULTs allow.
    pub(crate) fn settle_executed(&mut self, effects: &mut Effects) {
        while let Some((sequence, leaves)) = self.next_settleable() {
            let Some(run) = self
                .slots
                .get_mut(&sequence)
                .and_then(|slot| slot.run.as_mut())
            else {
                break;
            };
            run.settle(leaves, &mut self.frontier);
            self.settled = sequence;
            self.record_results(sequence, effects);
            effects.notices.push(Notice::Phase {
                phase: "result",
                sequence,
            });
            self.attest(sequence, effects);
            self.note_outvoted(sequence, None, effects);
            self.fetch_missing_answers(sequence, effects);
        }
    }

    /// The RESULTs that settle a sequence are durable before the ATTEST leaves that rests on them.
    /// Who attested so settles the same again after a crash, and can show the others why: it would
    /// else PROMISE what a proof may already contradict, once a liar takes its RESULT back.
    fn record_results(&self, sequence: Sequence, effects: &mut Effects) {
        let Some(slot) = self.slots.get(&sequence) else {
            return;
        };
        let results = slot.results.values().chain(slot.second_results.values());
        let others = results.filter(|result| result.sender() != self.config.replica);
        let records = others.map(|result| Record::Accepted(result.signed().clone()));
        effects.records.extend(records);
    }

    fn next_settleable(&self) -> Option<(Sequence, Vec<Digest>)> {
        let sequence = self.settled.next();
        let slot = self.slots.get(&sequence)?;
        let run = slot.run.as_ref()?;
        run.outcomes.as_ref()?;
        let leaves = run.decided(slot, self.quorum())?;
        Some((sequence, leaves))
    }

    /// ATTEST: one cosignature per size, ever. A restored one comes back from the log instead. One
    /// that is not sealed yet counts as well: a RESOLVE in the same step may change the tree.
    pub(crate) fn attest(&mut self, sequence: Sequence, effects: &mut Effects) {
        let Some(slot) = self.slots.get(&sequence) else {
            return;
        };
        let Some(run) = &slot.run else { return };
        let Some(settled) = &run.settled else { return };
        // Sizes never fall: after a crash this one may be settled anew though a larger one was
        // attested before, which proves its leaves too.
        let own = &self.config.replica;
        let mut from_here = self.slots.range(sequence..);
        if is_on(Bug::SizesFall) {
            from_here = self.slots.range(sequence..=sequence);
        }
        if from_here.any(|(_, slot)| slot.has_attested(*own)) {
            return;
        }
        let (size, root) = (settled.size, settled.root);
        let cosignature = self.authority.cosign(size, &root, run.time.0 / 1000);
        let attestation = Attestation {
            sequence,
            size,
            root,
            cosignature,
        };
        effects.messages.push(Message::Attest(attestation));
        if let Some(slot) = self.slots.get_mut(&sequence) {
            slot.attest_sent = true;
        }
    }

    /// A replica vouches for a tree. Its cosignature is checked only while it is needed, and our
    /// own never: it was made here.
    pub(crate) fn on_attest(
        &mut self,
        message: Verified<Attestation>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (attestation, sender) = (*message.body(), message.sender());
        let sequence = attestation.sequence;
        let open = sequence > self.certified || self.is_checkpoint(sequence);
        let needed = open && sender != self.config.replica;
        let authority = std::sync::Arc::clone(&self.authority);
        let slot = self.slot_mut(sequence)?;
        if let Some(before) = slot.attestations.get(&sender) {
            let before = before.body();
            if (before.size, before.root) == (attestation.size, attestation.root) {
                return Ok(());
            }
            effects.notices.push(Notice::Equivocated {
                replica: sender,
                sequence,
            });
            return Err(Rejection::Equivocation);
        }
        let Attestation {
            size,
            root,
            cosignature,
            ..
        } = &attestation;
        if needed && !authority.verify_cosignature(sender, *size, root, cosignature) {
            return Err(Rejection::Cosignature);
        }
        slot.attestations.insert(sender, message);
        let settled = slot.run.as_ref().and_then(|run| run.settled.as_ref());
        if settled.is_some_and(|ours| (ours.size, ours.root) != (*size, *root)) {
            return Err(Rejection::WrongRoot);
        }
        Ok(())
    }

    /// Looks for the highest settled sequence with enough cosignatures; it certifies all before.
    pub(crate) fn certify_settled(&mut self, effects: &mut Effects) {
        let above = self.slots.range(self.certified.next()..);
        let settled = above.take_while(|(sequence, _)| **sequence <= self.settled);
        let certificates: Vec<Certificate> = settled
            .filter_map(|(sequence, _)| self.certificate(*sequence))
            .collect();
        for certificate in certificates {
            self.waiting_certificates
                .insert(certificate.sequence, certificate);
        }
        self.hand_over(effects);
        self.note_late_checkpoint(effects);
    }

    fn is_checkpoint(&self, sequence: Sequence) -> bool {
        sequence.is_multiple_of(self.config.checkpoint_interval)
    }

    /// The certificate of a later sequence may come first, and settles a checkpoint's. Its own is
    /// still needed, or the watermarks stay where they are.
    fn note_late_checkpoint(&mut self, effects: &mut Effects) {
        let open = self.certified >= self.stable + self.config.checkpoint_interval;
        if !open || is_on(Bug::WatermarkMissed) {
            return;
        }
        let passed = self.slots.range(..=self.certified).rev();
        let mut passed = passed.map(|(sequence, _)| *sequence);
        let late = passed.find_map(|sequence| {
            let checkpoint = self.is_checkpoint(sequence);
            checkpoint.then(|| self.certificate(sequence)).flatten()
        });
        if let Some(certificate) = late {
            self.note_late(certificate, effects);
        }
    }

    fn certificate(&self, sequence: Sequence) -> Option<Certificate> {
        let slot = self.slots.get(&sequence)?;
        let settled = slot.run.as_ref()?.settled.as_ref()?;
        let (size, root) = (settled.size, settled.root);
        let mut needed = self.quorum().max(self.config.membership.reply_quorum());
        if is_on(Bug::StableAtWeak) {
            needed = self.faults() + 1;
        } else if is_on(Bug::OneLess) {
            needed -= 1;
        }
        if slot.attestations.len() < needed {
            return None;
        }
        let agreeing = slot.attestations.iter().filter(|(_, attestation)| {
            (attestation.body().size, attestation.body().root) == (size, root)
        });
        let cosignatures: Vec<_> = agreeing
            .map(|(replica, vote)| (*replica, vote.body().cosignature))
            .collect();
        let enough = cosignatures.len() >= needed;
        enough.then_some(Certificate {
            sequence,
            size,
            root,
            cosignatures,
        })
    }

    /// Gives settlements and the certificates that cover them to the ledger, in order. The
    /// ledger so holds nothing that is not certified.
    fn hand_over(&mut self, effects: &mut Effects) {
        while let Some((&covered, certificate)) = self.waiting_certificates.first_key_value() {
            let certificate = certificate.clone();
            while self.certified < covered {
                let next = self.certified.next();
                let Some(settlement) = self.settlement(next) else {
                    return;
                };
                effects.settlements.push(settlement);
                self.certified = next;
            }
            self.waiting_certificates.pop_first();
            effects.notices.push(Notice::Phase {
                phase: "attest",
                sequence: covered,
            });
            self.note_stable(&certificate, effects);
            effects.certificates.push(certificate);
        }
    }

    fn settlement(&self, sequence: Sequence) -> Option<crate::execution::Settlement> {
        let slot = self.slots.get(&sequence)?;
        slot.run
            .as_ref()?
            .settlement(slot.committed.as_ref()?.encode())
    }

    /// The ledger has a later certificate for these leaves, but none for the checkpoint: it is
    /// given that as well, or whoever loses its journal could not show the watermark again, and its
    /// window would stay below its own ledger's end.
    pub(crate) fn note_late(&mut self, certificate: Certificate, effects: &mut Effects) {
        self.note_stable(&certificate, effects);
        effects.certificates.push(certificate);
    }

    /// Stable checkpoints sit at multiples of K; the watermarks move. (OSDI'99 §4.3)
    pub(crate) fn note_stable(&mut self, certificate: &Certificate, effects: &mut Effects) {
        let sequence = certificate.sequence;
        if !sequence.is_multiple_of(self.config.checkpoint_interval) {
            return;
        }
        let run = self.slots.get(&sequence).and_then(|slot| slot.run.as_ref());
        let Some((run, settled)) = run.and_then(|run| Some((run, run.settled.as_ref()?))) else {
            return;
        };
        let stable = CheckpointCertificate {
            certificate: certificate.clone(),
            batch_leaf: run.batch_leaf.to_text(),
            path: settled.path.clone(),
        };
        effects
            .records
            .push(Record::Stable(Box::new(stable.clone())));
        effects.stable = Some(sequence);
        self.move_watermark(sequence, stable);
    }

    /// Everything at or below a stable checkpoint is the ledger's from now on.
    pub(crate) fn move_watermark(&mut self, stable: Sequence, proof: CheckpointCertificate) {
        self.keep_disputed(stable);
        self.stable = stable;
        self.stable_certificate = Some(proof);
        self.slots = self.slots.split_off(&stable.next());
        self.promised = self.promised.split_off(&stable.next());
        self.required = self.required.split_off(&stable.next());
        self.recorded = self.recorded.split_off(&stable.next());
        self.batches.retain(|_, batch| batch.sequence > stable);
        // A batch above may name what ran below: the only copy of its body may be this one.
        let needed = self.needed();
        self.ran
            .retain(|id, ran| ran.sequence > stable || needed.contains(id));
        self.next_sequence = self.next_sequence.max(stable.next());
        self.named = self
            .batches
            .values()
            .flat_map(|batch| batch.requests.clone())
            .collect();
        self.pool.drop_idle(|id| needed.contains(id));
    }

    /// Asks peers whose app answered otherwise for the answer, so that people see what differs.
    pub(crate) fn compare_results(&mut self, sequence: Sequence, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(&sequence) else {
            return;
        };
        let Some(ours) = slot.run.as_ref().map(|run| &run.own_leaves) else {
            return;
        };
        for (sender, result) in &slot.results {
            let theirs = &result.body().leaves;
            for (index, pair) in (0_u32..).zip(ours.iter().zip(theirs)) {
                let differ = matches!(pair, (Some(ours), Some(theirs)) if ours != theirs);
                let room = slot.differences.len() < DIFFERENCES;
                if differ && room && slot.differences.insert((*sender, index)) {
                    let fetch = Fetch::Outcome { sequence, index };
                    effects.direct.push((*sender, Frame::Fetch(fetch)));
                }
            }
        }
    }

    /// Names replicas whose RESULT is not what was settled. That is a fact, not yet a crime: an
    /// app that is not deterministic does it too.
    fn note_outvoted(
        &mut self,
        sequence: Sequence,
        only: Option<ReplicaId>,
        effects: &mut Effects,
    ) {
        let Some(slot) = self.slots.get(&sequence) else {
            return;
        };
        let settled = slot.run.as_ref().and_then(|run| run.settled.as_ref());
        let Some(settled_here) = settled else { return };
        let results = slot.results.iter();
        for (replica, result) in results.filter(|(id, _)| only.is_none_or(|only| only == **id)) {
            let pairs = settled_here.leaves.iter().zip(&result.body().leaves);
            let outvoted = (0..).zip(pairs).find(|(index, (settled, leaf))| {
                // A verdict is nobody's answer, so it outvotes nobody.
                leaf.is_some_and(|leaf| leaf != **settled) && !settled_here.is_verdict(*index)
            });
            if let Some((index, _)) = outvoted {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                effects.notices.push(Notice::Outvoted {
                    replica: *replica,
                    sequence,
                    index,
                });
            }
        }
    }

    /// Where this replica's own answer was outvoted or lost, the settled one is fetched by hash.
    pub(crate) fn fetch_missing_answers(&self, sequence: Sequence, effects: &mut Effects) {
        let Some(slot) = self.slots.get(&sequence) else {
            return;
        };
        let settled = slot.run.as_ref().and_then(|run| run.settled.as_ref());
        let Some(settled) = settled else { return };
        let answers = settled.leaves.iter().zip(&settled.answers);
        for (index, (leaf, _)) in (0..)
            .zip(answers)
            .filter(|(_, (_, answer))| answer.is_none())
        {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let holders = slot.results.iter().filter(|(id, result)| {
                **id != self.config.replica
                    && result.body().leaves.get(place).copied().flatten() == Some(*leaf)
            });
            for (holder, _) in holders {
                let fetch = Fetch::Outcome { sequence, index };
                effects.direct.push((*holder, Frame::Fetch(fetch)));
            }
        }
    }

    /// The peer's answer at a leaf: fills a gap if it was settled, or shows what differs.
    pub(crate) fn on_outcome(
        &mut self,
        from: ReplicaId,
        (sequence, index): (Sequence, u32),
        answer: crate::execution::Answer,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let place = usize::try_from(index).map_err(|_| Rejection::Supply)?;
        let request = self.request_line(sequence, place);
        let Some(slot) = self.slots.get_mut(&sequence) else {
            return self.on_disputed(from, (sequence, index), answer, effects);
        };
        let said = slot
            .results
            .get(&from)
            .and_then(|result| result.body().leaves.get(place));
        if said.copied().flatten() != Some(answer.leaf_hash()) || !answer.is_consistent() {
            return Err(Rejection::Supply);
        }
        let Some(run) = slot.run.as_mut() else {
            return Ok(());
        };
        let ours = run
            .outcomes
            .as_ref()
            .and_then(|outcomes| outcomes.get(place));
        if let (Some(Outcome::Answer(ours)), Some(request)) = (ours, request)
            && ours.leaf_hash() != answer.leaf_hash()
        {
            effects.notices.push(Notice::Differs {
                replica: from,
                sequence,
                index,
                request,
                ours: ours.clone(),
                theirs: answer.clone(),
            });
        }
        if let Some(settled) = run.settled.as_mut()
            && settled.leaves.get(place) == Some(&answer.leaf_hash())
            && let Some(empty) = settled.answers.get_mut(place)
        {
            *empty = Some(answer);
        }
        Ok(())
    }

    pub(crate) fn request_line(&self, sequence: Sequence, place: usize) -> Option<String> {
        let run = self.slots.get(&sequence)?.run.as_ref()?;
        let id = run.items.get(place)?.request_id;
        let known = self.ran.get(&id)?;
        let request = crate::request::Request::decode(&known.request.bytes)?;
        Some(format!("{} {}", request.method, request.target))
    }
}
