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

/// A vote that comes this much after those of f+1 replicas is late.
const LATE: Duration = Duration::from_millis(200);

/// Every vote for this long has to be late before it is told. A machine that is busy, or one that
/// was stopped for a while, delays in bursts: one vote on time ends such a stretch.
const STRETCH: Duration = Duration::from_secs(5);

/// And so many votes in a row: a few that were sent at long intervals tell nothing.
const ENOUGH: u32 = 16;

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
    /// Its last votes, if every one of them was late.
    stretch: Option<Stretch>,
    /// A lateness to tell of.
    late: Option<Duration>,
}

/// Votes in a row, all of them late.
struct Stretch {
    began: Instant,
    votes: u32,
    /// How late the least late one was.
    least: Duration,
}

impl Peer {
    fn voted(&mut self, late: Duration, now: Instant) {
        if late < LATE {
            self.stretch = None;
            return;
        }
        let stretch = self.stretch.get_or_insert(Stretch {
            began: now,
            votes: 0,
            least: late,
        });
        stretch.votes = stretch.votes.saturating_add(1);
        stretch.least = stretch.least.min(late);
        if stretch.votes >= ENOUGH && now.saturating_duration_since(stretch.began) >= STRETCH {
            self.late = Some(stretch.least);
            self.stretch = None;
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
            stretch: None,
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
            peer.stretch = None;
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
            peer.voted(late, now);
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
        detail: format!(
            "for {} s every vote of replica {replica} came {milliseconds} ms or more after the \
             others'",
            STRETCH.as_secs()
        ),
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

    /// Sequences that are voted for one every 100 ms; replica 3 is late by what `delay` says.
    fn late_ones(delay: impl Fn(u64) -> u64) -> Vec<bool> {
        let start = Instant::now();
        let mut watchfulness = Watchfulness::new(4, 1, start);
        for sequence in 1..=100 {
            let begun = start + Duration::from_millis(100 * sequence);
            for (peer, delay) in [(1, 1), (2, 2), (3, delay(sequence))] {
                let now = begun + Duration::from_millis(delay);
                watchfulness.voted(ReplicaId(peer), Sequence(sequence), now);
            }
        }
        let peers = watchfulness.peers.iter();
        peers.map(|peer| peer.late.is_some()).collect()
    }

    #[test]
    fn only_the_late_one_is_late() {
        assert_eq!(late_ones(|_| 400), [false, false, false, true]);
    }

    #[test]
    fn one_that_is_on_time_now_and_then_is_not_late() {
        let delay = |sequence| if sequence % 40 == 0 { 20 } else { 900 };
        assert_eq!(late_ones(delay), [false; 4]);
    }

    /// Stopped for eight seconds, then everything at once: a pause, not slowness.
    #[test]
    fn one_that_was_stopped_for_a_while_is_not_late() {
        let delay = |sequence: u64| (8000_u64).saturating_sub(100 * sequence).max(5);
        assert_eq!(late_ones(delay), [false; 4]);
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
