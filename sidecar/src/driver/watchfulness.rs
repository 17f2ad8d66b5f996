//! Own measurements of the others: who has not been heard, and whose votes come late.
//!
//! These are facts about a link and a replica together; nobody is convicted by them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use byzantine_consensus::{Frame, Message, Sequence};
use byzantine_proof::ReplicaId;

use super::Driver;
use crate::status::ObservationKind;
use crate::telemetry::Sighting;

/// Nothing heard for this long is worth telling.
const SILENCE: Duration = Duration::from_secs(5);

/// A silent replica is told of this often while it stays so.
const REPEAT: Duration = Duration::from_secs(30);

/// Votes that come this much after those of f+1 replicas, on average, are late.
const LATE: Duration = Duration::from_millis(200);

/// A single vote counts as no later than this, so that one outage is soon forgotten.
const LATEST: Duration = Duration::from_secs(1);

/// Votes in one average; two bad averages in a row are needed, so that a hiccup is not told.
const ENOUGH: u32 = 32;

/// A replica whose link has just come up has much to catch up with; its votes are not timed.
const GRACE: Duration = Duration::from_secs(10);

/// Sequences whose first vote is remembered.
const REMEMBERED: usize = 1024;

/// What was heard of each replica.
pub(super) struct Watchfulness {
    peers: Vec<Peer>,
    /// Whose COMMIT for a sequence came when, in order of arrival, each replica once.
    voted: BTreeMap<Sequence, Vec<(ReplicaId, Instant)>>,
    /// f: that many may vote early to make others look late, the next one is correct.
    faults: usize,
    looked: Instant,
}

struct Peer {
    heard: Instant,
    told: Option<Instant>,
    /// Its votes are timed from here on.
    timed_from: Instant,
    votes: u32,
    /// How late these votes were, together.
    lateness: Duration,
    /// Late averages in a row.
    late_averages: u32,
    /// An average to tell of.
    late: Option<Duration>,
}

impl Peer {
    fn voted(&mut self, late: Duration) {
        self.votes += 1;
        self.lateness += late.min(LATEST);
        if self.votes < ENOUGH {
            return;
        }
        let average = self.lateness / self.votes;
        (self.votes, self.lateness) = (0, Duration::ZERO);
        self.late_averages = if average >= LATE {
            self.late_averages + 1
        } else {
            0
        };
        if self.late_averages >= 2 {
            self.late_averages = 0;
            self.late = Some(average);
        }
    }
}

impl Watchfulness {
    /// How often to look.
    pub(super) const INTERVAL: Duration = Duration::from_secs(1);

    pub(super) fn new(members: usize, faults: usize, now: Instant) -> Self {
        let peer = || Peer {
            heard: now,
            told: None,
            timed_from: now,
            votes: 0,
            lateness: Duration::ZERO,
            late_averages: 0,
            late: None,
        };
        Self {
            peers: std::iter::repeat_with(peer).take(members).collect(),
            voted: BTreeMap::new(),
            faults,
            looked: now,
        }
    }

    /// The link to a peer came up.
    pub(super) fn connected(&mut self, peer: ReplicaId) {
        if let Some(peer) = self.peers.get_mut(usize::from(peer.0)) {
            (peer.votes, peer.lateness, peer.late_averages) = (0, Duration::ZERO, 0);
            peer.timed_from = Instant::now() + GRACE;
        }
    }

    /// A frame came from a peer.
    pub(super) fn heard(&mut self, from: ReplicaId, frame: &Frame) {
        let now = Instant::now();
        if let Some(peer) = self.peers.get_mut(usize::from(from.0)) {
            (peer.heard, peer.told) = (now, None);
        }
        if let Frame::Envelope { envelope, .. } = frame {
            let commits = envelope.messages.iter().filter_map(|bytes| commit(bytes));
            for sequence in commits.collect::<Vec<_>>() {
                self.voted(from, sequence, now);
            }
        }
    }

    /// A replica's COMMIT came: on time if it was among the first f+1.
    fn voted(&mut self, from: ReplicaId, sequence: Sequence, now: Instant) {
        let arrivals = self.voted.entry(sequence).or_default();
        if arrivals.iter().any(|(voter, _)| *voter == from) {
            return;
        }
        arrivals.push((from, now));
        let expected = arrivals.get(self.faults);
        let expected = expected.map_or(now, |(_, arrived)| *arrived);
        let late = now.saturating_duration_since(expected);
        if self.voted.len() > REMEMBERED {
            self.voted.pop_first();
        }
        let peer = self.peers.get_mut(usize::from(from.0));
        if let Some(peer) = peer.filter(|peer| now >= peer.timed_from) {
            peer.voted(late);
        }
    }
}

/// The sequence of an encoded COMMIT; all other messages are passed over by their first byte.
fn commit(bytes: &[u8]) -> Option<Sequence> {
    const COMMIT: u8 = 3;
    const VOTE_BYTES: usize = 1 + 8 + 8 + 32;
    if bytes.first() != Some(&COMMIT) || bytes.len() != VOTE_BYTES {
        return None;
    }
    match borsh::from_slice(bytes) {
        Ok(Message::Commit(vote)) => Some(vote.sequence),
        _ => None,
    }
}

impl Driver {
    /// Once a second: tells of those who are silent or late.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        if now - self.watchfulness.looked < Watchfulness::INTERVAL {
            return;
        }
        self.watchfulness.looked = now;
        for replica in self.others.clone() {
            let Some(peer) = self.watchfulness.peers.get_mut(usize::from(replica.0)) else {
                continue;
            };
            let repeat = peer.told.is_none_or(|told| now - told >= REPEAT);
            let silence = now - peer.heard;
            if silence >= SILENCE && repeat {
                peer.told = Some(now);
                self.telemetry.observe(silent(replica, silence));
            }
            if let Some(late) = peer.late.take() {
                self.telemetry.observe(slow(replica, late));
            }
        }
    }
}

fn silent(replica: ReplicaId, silence: Duration) -> Sighting {
    let seconds = silence.as_secs();
    Sighting {
        kind: ObservationKind::Silent,
        replica: Some(replica.0),
        sequence: None,
        detail: format!("nothing heard from replica {replica} for {seconds} s"),
        next_step: "look whether it runs and whether the network lets it through; while it is \
                    away it counts as one of the f faults",
    }
}

fn slow(replica: ReplicaId, late: Duration) -> Sighting {
    let milliseconds = late.as_millis();
    Sighting {
        kind: ObservationKind::Slow,
        replica: Some(replica.0),
        sequence: None,
        detail: format!("votes of replica {replica} come {milliseconds} ms after the others'"),
        next_step: "look at its host's load and disk, and at the network to it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byzantine_consensus::{View, Vote};
    use byzantine_proof::Digest;

    #[test]
    fn commits_are_told_from_other_messages() {
        let vote = Vote {
            view: View(1),
            sequence: Sequence(9),
            digest: Digest::of(b"batch"),
        };
        assert_eq!(commit(&Message::Commit(vote).encode()), Some(Sequence(9)));
        assert_eq!(commit(&Message::Prepare(vote).encode()), None);
        assert_eq!(commit(b""), None);
    }

    #[test]
    fn only_the_late_one_is_late() {
        let start = Instant::now();
        let mut watchfulness = Watchfulness::new(4, 1, start);
        for sequence in (1..=100).map(Sequence) {
            for (peer, delay) in [(1, 1), (2, 2), (3, 400)] {
                let now = start + Duration::from_millis(delay);
                watchfulness.voted(ReplicaId(peer), sequence, now);
            }
        }
        let late: Vec<bool> = watchfulness
            .peers
            .iter()
            .map(|peer| peer.late.is_some())
            .collect();
        assert_eq!(late, [false, false, false, true]);
    }

    /// A liar votes for what is to come, and often: nobody looks late for that.
    #[test]
    fn early_votes_make_nobody_late() {
        let start = Instant::now();
        let mut watchfulness = Watchfulness::new(4, 1, start);
        for sequence in (1..=100).map(Sequence) {
            for _ in 0..5 {
                watchfulness.voted(ReplicaId(1), sequence, start);
            }
        }
        for sequence in (1..=100).map(Sequence) {
            for peer in [2, 3] {
                let now = start + Duration::from_secs(sequence.0);
                watchfulness.voted(ReplicaId(peer), sequence, now);
            }
        }
        assert!(watchfulness.peers.iter().all(|peer| peer.late.is_none()));
    }
}
