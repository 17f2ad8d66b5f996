//! Liars that let a batch prepare for themselves alone, keep that to themselves in one view change,
//! and show it in a later one, when another batch has taken its place.
//!
//! The liar that leads proposes to as many as it takes; its accomplices agree to nobody but it.

use std::collections::BTreeMap;

use byzantine_consensus::{Message, PreparedCertificate, ReplicaId, Sequence, SignedMessage, Vote};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct HoardCertificates {
    proposals: BTreeMap<Sequence, SignedMessage>,
    votes: BTreeMap<(Sequence, ReplicaId), SignedMessage>,
}

/// How many proposals are remembered.
const REMEMBERED: usize = 64;

impl Attack for HoardCertificates {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        self.listen(scene);
        for message in &mut messages {
            match message {
                Message::PrePrepare(vote) => self.propose(scene, *vote),
                Message::ViewChange(vote) => self.show(scene, vote),
                _ => {}
            }
        }
        let led = scene.liars.contains(&scene.view.primary(scene.members));
        let told = is_told(scene, to);
        messages.retain(|message| match message {
            Message::PrePrepare(_) => told,
            Message::Prepare(_) | Message::Commit(_) => !led || scene.liars.contains(&to),
            _ => true,
        });
        messages
    }
}

impl HoardCertificates {
    fn propose(&mut self, scene: &Scene<'_>, vote: Vote) {
        if self.proposals.len() < REMEMBERED {
            let signed = scene.signed(&Message::PrePrepare(vote));
            self.proposals.entry(vote.sequence).or_insert(signed);
        }
    }

    /// Its accomplices' votes, and all that others let it hear.
    fn listen(&mut self, scene: &Scene<'_>) {
        let heard = scene.heard.signed.get("PREPARE").into_iter().flatten();
        for signed in heard {
            let Ok(Message::Prepare(vote)) = borsh::from_slice(&signed.message) else {
                continue;
            };
            let proposed = self.proposals.get(&vote.sequence).map(|it| &it.message);
            if proposed == Some(&Message::PrePrepare(vote).encode()) {
                let place = (vote.sequence, signed.sender);
                self.votes.entry(place).or_insert_with(|| signed.clone());
            }
        }
    }

    /// Nothing in the view change that follows; everything later.
    fn show(&self, scene: &Scene<'_>, vote: &mut byzantine_consensus::ViewChange) {
        let needed = (scene.members + scene.faulty + 2) / 2 - 1;
        let stable = vote.stable.as_ref();
        let stable = stable.map_or(Sequence(0), |stable| stable.certificate.sequence);
        let window = 2 * scene.checkpoint_interval;
        for (sequence, proposal) in self.proposals.range(stable.next()..=stable + window) {
            let Ok(Message::PrePrepare(proposed)) = borsh::from_slice(&proposal.message) else {
                continue;
            };
            let own = |certificate: &PreparedCertificate| {
                let said = borsh::from_slice(&certificate.pre_prepare.message);
                matches!(said, Ok(Message::PrePrepare(said)) if said.sequence == *sequence)
            };
            vote.prepared.retain(|certificate| !own(certificate));
            let primary = proposal.sender;
            let votes = self
                .votes
                .range((*sequence, ReplicaId(0))..=(*sequence, ReplicaId(255)));
            let votes = votes.filter(|((_, by), _)| *by != primary);
            let prepares: Vec<SignedMessage> = votes.map(|(_, vote)| vote.clone()).collect();
            if prepares.len() >= needed && vote.view.0 > proposed.view.0 + 1 {
                vote.prepared.push(PreparedCertificate {
                    pre_prepare: proposal.clone(),
                    prepares,
                });
            }
        }
    }
}

/// The first honest ones, just enough for a quorum with all liars in it.
fn is_told(scene: &Scene<'_>, to: ReplicaId) -> bool {
    let quorum = (scene.members + scene.faulty + 2) / 2;
    let honest = scene.others().into_iter();
    let honest = honest.filter(|id| !scene.liars.contains(id));
    let mut told = honest.take(quorum.saturating_sub(scene.liars.len()));
    scene.liars.contains(&to) || told.any(|id| id == to)
}
