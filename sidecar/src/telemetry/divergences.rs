//! Where two apps answered one request differently. Whose answer is wrong is said only once a
//! quorum has settled it.

use std::collections::VecDeque;

use crate::status::Divergence;

/// The newest are kept: they are what somebody can still reproduce.
const LIMIT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Divergences(VecDeque<Divergence>);

impl Divergences {
    pub(super) fn add(&mut self, divergence: Divergence) {
        let same = |known: &Divergence| {
            (known.replica, known.sequence, known.index)
                == (divergence.replica, divergence.sequence, divergence.index)
        };
        if self.0.iter().any(same) {
            return;
        }
        if self.0.len() == LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(divergence);
    }

    /// A quorum settled another answer than `replica`'s.
    pub(super) fn outvoted(&mut self, replica: u8, own: u8, place: (u64, u32)) {
        for known in &mut self.0 {
            let here = (known.sequence, known.index) == place;
            if here && (known.replica == replica || replica == own) {
                known.replica = replica;
                known.settled = true;
            }
        }
    }

    pub(super) fn list(&self) -> Vec<Divergence> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Differs;

    fn divergence(replica: u8, sequence: u64) -> Divergence {
        Divergence {
            replica,
            sequence,
            index: 0,
            request: "GET /x".to_owned(),
            settled: false,
            differs: Differs {
                part: "status".to_owned(),
                name: None,
                pointer: None,
                ours: "200".to_owned(),
                theirs: "500".to_owned(),
            },
        }
    }

    #[test]
    fn the_newest_are_kept_once_each() {
        let mut divergences = Divergences::default();
        for sequence in 0..200 {
            divergences.add(divergence(1, sequence));
            divergences.add(divergence(1, sequence));
        }
        let list = divergences.list();
        assert_eq!((list.len(), list[0].sequence), (LIMIT, 200 - LIMIT as u64));
    }

    #[test]
    fn blame_follows_what_was_settled() {
        let mut divergences = Divergences::default();
        divergences.add(divergence(1, 5));
        divergences.add(divergence(1, 6));
        divergences.outvoted(1, 0, (5, 0));
        divergences.outvoted(0, 0, (6, 0));
        let list = divergences.list();
        assert_eq!((list[0].replica, list[0].settled), (1, true));
        assert_eq!((list[1].replica, list[1].settled), (0, true));
    }
}
