//! A replica that hands out ledger entries which are wrong in every way that there is.

use super::corrupt_reply::falsified;
use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Batch, Entry, Frame, ReplicaId, Supply};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct FalseEntries {
    /// The last entries that it gave to anybody, as they were.
    before: Vec<Entry>,
}

impl Attack for FalseEntries {
    fn direct(&mut self, scene: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        let Frame::Supply(Supply::Entries(mut entries)) = frame else {
            return Some(frame);
        };
        let true_ones = entries.clone();
        let place = scene.random.place(entries.len());
        if let Some(entry) = entries.get_mut(place) {
            match scene.random.below(3) {
                0 => spoil_certificate(scene, entry),
                1 => spoil_batch(scene, entry),
                _ => spoil_answers(scene, entry, &self.before),
            }
        }
        if scene.random.chance(100) {
            entries.remove(place);
        }
        self.before = true_ones;
        Some(Frame::Supply(Supply::Entries(entries)))
    }
}

/// Cosignatures that are too few, of one for many, of others, or about another tree.
fn spoil_certificate(scene: &mut Scene<'_>, entry: &mut Entry) {
    let certificate = &mut entry.certificate;
    match scene.random.below(6) {
        0 => certificate.cosignatures.truncate(1),
        1 => {
            let first = certificate.cosignatures.first().copied();
            let many = certificate.cosignatures.len();
            certificate.cosignatures = first.into_iter().cycle().take(many).collect();
        }
        2 => certificate.size += 1,
        3 => {
            // Everybody's, in the name of the next.
            let made: Vec<_> = certificate
                .cosignatures
                .iter()
                .map(|(_, made)| *made)
                .collect();
            let names = certificate.cosignatures.iter_mut();
            for ((_, own), other) in names.zip(made.iter().cycle().skip(1)) {
                *own = *other;
            }
        }
        4 => certificate.sequence = certificate.sequence.next(),
        _ => certificate.sequence = entry.commit.vote.sequence,
    }
}

/// A batch that is none, or not the one that was committed, or lacks what it takes to run it.
fn spoil_batch(scene: &mut Scene<'_>, entry: &mut Entry) {
    let sequence = entry.commit.vote.sequence;
    match scene.random.below(8) {
        0 => entry.batch = entry.batch.slice(..entry.batch.len() / 2),
        1 => entry.batch = Batch::null(sequence).encode(),
        2 => entry.batch = Batch::null(sequence.next()).encode(),
        3 => entry.requests.clear(),
        4 => entry.requests.push(Bytes::from_static(b"no request")),
        5 => entry.commit.commits.truncate(1),
        6 => {
            let commits = &mut entry.commit.commits;
            let first = commits.first().cloned();
            *commits = first.into_iter().cycle().take(commits.len()).collect();
        }
        _ => {
            let prepares = scene.heard.signed.get("PREPARE").into_iter().flatten();
            let mut prepares = prepares.cloned();
            for commit in &mut entry.commit.commits {
                *commit = prepares.next().unwrap_or_else(|| commit.clone());
            }
        }
    }
}

/// Answers that are too many, too few, not their leaves', of another entry, or sound in themselves
/// and yet not what was certified.
fn spoil_answers(scene: &mut Scene<'_>, entry: &mut Entry, others: &[Entry]) {
    match scene.random.below(6) {
        0 => entry.answers.clear(),
        1 => entry.answers.extend(entry.answers.first().cloned()),
        2 => entry.answers.reverse(),
        3 => {
            let mut others = others.iter().flat_map(|other| &other.answers);
            for settled in &mut entry.answers {
                if let Some(other) = others.next() {
                    settled.answer = other.answer.clone();
                }
            }
        }
        4 => {
            for settled in &mut entry.answers {
                settled.answer.content = Bytes::from_static(b"moved 7 7");
            }
        }
        _ => {
            for settled in &mut entry.answers {
                if let Some(false_one) = falsified(&settled.answer) {
                    settled.answer = false_one;
                }
            }
        }
    }
}
