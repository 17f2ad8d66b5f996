//! A replica whose app answers what the attacker likes.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Answer, Digest, Outcome};
use byzantine_proof::ResponseLeaf;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct CorruptReply;

impl Attack for CorruptReply {
    fn outcomes(&mut self, scene: &mut Scene<'_>, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let lies = scene.random.chance(700);
        let altered = |outcome: &Outcome| match outcome {
            Outcome::Answer(answer) if lies => {
                falsified(answer).map_or(Outcome::Lost, Outcome::Answer)
            }
            other => other.clone(),
        };
        outcomes.iter().map(altered).collect()
    }
}

/// A consistent answer with another content; all liars give the same.
pub(super) fn falsified(answer: &Answer) -> Option<Answer> {
    let mut leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).ok()?).ok()?;
    let content = b"moved 1000000 0";
    (leaf.content, leaf.content_length) = (Digest::of(content), content.len() as u64);
    Some(Answer {
        leaf: Bytes::from(leaf.to_text()),
        content: Bytes::from_static(content),
        ..answer.clone()
    })
}
