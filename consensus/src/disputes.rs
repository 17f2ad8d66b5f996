//! Answers that differed, kept beyond the checkpoint that drops their sequence.
//!
//! People are to see what differs. Whoever answers otherwise is asked for his answer, and the
//! question may reach him, or the answer come back, when the watermarks have moved on: a checkpoint
//! so would hide a disagreement from everyone for whom it came a moment too soon. Nothing here
//! settles anything; it is for people alone, and the oldest goes when there are too many.

use std::collections::BTreeMap;

use byzantine_proof::{Digest, ReplicaId};

use crate::effect::{Effects, Notice};
use crate::execution::Answer;
use crate::limits::{DISPUTE_BYTES, DISPUTES};
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::slot::Slot;
use crate::types::Sequence;

/// Where a leaf is: its sequence, and its place in the batch.
type Place = (Sequence, u32);

/// The latest disagreements at or below the stable checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Disputes {
    kept: BTreeMap<Place, Dispute>,
    bytes: usize,
}

/// One leaf on which apps disagreed.
#[derive(Debug)]
struct Dispute {
    /// Method and target of its request.
    request: String,
    /// What this replica's app answered.
    ours: Answer,
    /// The other leaves, by who named them.
    theirs: BTreeMap<ReplicaId, Digest>,
}

impl Disputes {
    /// What this replica's app answered there.
    pub(crate) fn ours(&self, place: Place) -> Option<&Answer> {
        self.kept.get(&place).map(|dispute| &dispute.ours)
    }

    fn insert(&mut self, place: Place, dispute: Dispute) {
        if dispute.size() > DISPUTE_BYTES {
            return;
        }
        self.bytes += dispute.size();
        self.kept.insert(place, dispute);
        while self.kept.len() > DISPUTES || self.bytes > DISPUTE_BYTES {
            let oldest = self.kept.pop_first();
            self.bytes -= oldest.map_or(0, |(_, dispute)| dispute.size());
        }
    }
}

impl Dispute {
    fn size(&self) -> usize {
        let answer = &self.ours;
        self.request.len() + answer.leaf.len() + answer.fields.len() + answer.content.len()
    }
}

impl Replica {
    /// The watermark moves: what is disputed below it is kept.
    pub(crate) fn keep_disputed(&mut self, stable: Sequence) {
        let dropped = self.slots.range(..=stable);
        let disputed: Vec<(Place, Dispute)> = dropped
            .flat_map(|(sequence, slot)| {
                let places = slot.disputed_places();
                places.map(|index| (*sequence, index))
            })
            .filter_map(|place| Some((place, self.dispute(place)?)))
            .collect();
        for (place, dispute) in disputed {
            self.disputes.insert(place, dispute);
        }
    }

    fn dispute(&self, (sequence, index): Place) -> Option<Dispute> {
        let place = usize::try_from(index).ok()?;
        let slot = self.slots.get(&sequence)?;
        let asked = slot.differences.iter().filter(|(_, it)| *it == index);
        let named = asked.filter_map(|(replica, _)| Some((*replica, slot.named(*replica, place)?)));
        Some(Dispute {
            request: self.request_line(sequence, place)?,
            ours: self.outcome(sequence, index)?.clone(),
            theirs: named.collect(),
        })
    }

    /// A peer's answer at a leaf whose sequence is dropped.
    pub(crate) fn on_disputed(
        &self,
        replica: ReplicaId,
        (sequence, index): Place,
        theirs: Answer,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let dispute = self.disputes.kept.get(&(sequence, index));
        let dispute = dispute.ok_or(Rejection::OutsideWindow)?;
        let said = dispute.theirs.get(&replica);
        if said != Some(&theirs.leaf_hash()) || !theirs.is_consistent() {
            return Err(Rejection::Supply);
        }
        effects.notices.push(Notice::Differs {
            replica,
            sequence,
            index,
            request: dispute.request.clone(),
            ours: dispute.ours.clone(),
            theirs,
        });
        Ok(())
    }
}

impl Slot {
    /// The leaves at which somebody's answer differs from ours, each once.
    fn disputed_places(&self) -> impl Iterator<Item = u32> + use<> {
        let places = self.differences.iter().map(|(_, index)| *index);
        let places: std::collections::BTreeSet<u32> = places.collect();
        places.into_iter()
    }

    /// The leaf that a replica's RESULT names at a place.
    fn named(&self, replica: ReplicaId, place: usize) -> Option<Digest> {
        let result = self.results.get(&replica)?;
        result.body().leaves.get(place).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn dispute(content: usize) -> Dispute {
        Dispute {
            request: String::new(),
            ours: Answer {
                leaf: Bytes::new(),
                request_fields: vec![],
                fields: Bytes::new(),
                content: vec![0; content].into(),
            },
            theirs: BTreeMap::new(),
        }
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut disputes = Disputes::default();
        let many = u64::try_from(DISPUTES).unwrap() + 1;
        for sequence in 1..=many {
            disputes.insert((Sequence(sequence), 0), dispute(1));
        }
        assert!(disputes.ours((Sequence(1), 0)).is_none());
        assert!(disputes.ours((Sequence(2), 0)).is_some());
        assert!(disputes.ours((Sequence(many), 0)).is_some());
        assert_eq!((disputes.kept.len(), disputes.bytes), (DISPUTES, DISPUTES));
    }

    #[test]
    fn the_oldest_go_when_they_are_too_large_together() {
        let mut disputes = Disputes::default();
        for sequence in 1..=3 {
            disputes.insert((Sequence(sequence), 0), dispute(DISPUTE_BYTES / 2));
        }
        assert!(disputes.ours((Sequence(1), 0)).is_none());
        assert_eq!((disputes.kept.len(), disputes.bytes), (2, DISPUTE_BYTES));
        disputes.insert((Sequence(4), 0), dispute(DISPUTE_BYTES + 1));
        assert_eq!(disputes.kept.len(), 2, "one alone that is too large");
        disputes.insert((Sequence(5), 0), dispute(1));
        assert_eq!(disputes.kept.len(), 2);
        assert!(disputes.ours((Sequence(3), 0)).is_some());
    }
}
