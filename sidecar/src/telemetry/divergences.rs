//! Where two apps answered one request differently. Whose answer is wrong is said only once a
//! quorum has settled it.

use std::collections::VecDeque;

use crate::status::Divergence;

/// The newest are kept: they are what somebody can still reproduce.
const LIMIT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Divergences {
    known: VecDeque<Divergence>,
    /// What was settled: a difference may be noticed later than that.
    outvoted: VecDeque<Outvoted>,
}

/// A replica whose answer was not the settled one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outvoted {
    replica: u8,
    own: u8,
    place: (u64, u32),
}

impl Divergences {
    pub(super) fn add(&mut self, mut divergence: Divergence) {
        for outvoted in &self.outvoted {
            outvoted.judge(&mut divergence);
        }
        if self.known.iter().any(|known| is_same(known, &divergence)) {
            return;
        }
        push(&mut self.known, divergence);
    }

    /// A quorum settled another answer than `replica`'s.
    pub(super) fn outvoted(&mut self, replica: u8, own: u8, place: (u64, u32)) {
        let outvoted = Outvoted {
            replica,
            own,
            place,
        };
        for known in std::mem::take(&mut self.known) {
            let mut judged = known;
            outvoted.judge(&mut judged);
            if !self.known.iter().any(|known| is_same(known, &judged)) {
                self.known.push_back(judged);
            }
        }
        if !self.outvoted.contains(&outvoted) {
            push(&mut self.outvoted, outvoted);
        }
    }

    pub(super) fn list(&self) -> Vec<Divergence> {
        self.known.iter().cloned().collect()
    }
}

impl Outvoted {
    /// Where the own answer was outvoted, it is to blame for every difference.
    fn judge(self, divergence: &mut Divergence) {
        let here = (divergence.sequence, divergence.index) == self.place;
        if here && (divergence.replica == self.replica || self.replica == self.own) {
            divergence.replica = self.replica;
            divergence.settled = true;
        }
    }
}

fn is_same(one: &Divergence, other: &Divergence) -> bool {
    (one.replica, one.sequence, one.index) == (other.replica, other.sequence, other.index)
}

fn push<T>(newest: &mut VecDeque<T>, one: T) {
    if newest.len() == LIMIT {
        newest.pop_front();
    }
    newest.push_back(one);
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
    #[test]
    fn a_difference_noticed_after_it_was_settled_is_settled() {
        let mut divergences = Divergences::default();
        divergences.outvoted(1, 0, (5, 0));
        divergences.add(divergence(1, 5));
        divergences.outvoted(0, 0, (6, 0));
        divergences.add(divergence(2, 6));
        divergences.add(divergence(3, 6));
        divergences.add(divergence(2, 7));
        let list = divergences.list();
        let told: Vec<_> = list.iter().map(|one| (one.replica, one.settled)).collect();
        assert_eq!(told, [(1, true), (0, true), (2, false)]);
    }
}
