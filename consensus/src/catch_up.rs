//! Fetching what is missing: bodies, batches, and certified entries of a peer's ledger.
//!
//! Supplied data speaks for itself: it is checked against digests and certificates, so it does
//! not matter who supplies it.

use std::collections::BTreeSet;

use bytes::Bytes;
use byzantine_proof::{Digest, ReplicaId};

use crate::batch::KnownBatch;
use crate::certificate::check_cosignatures;
use crate::effect::{Effects, Notice};
use crate::execution::SettledAnswer;
use crate::frame::{Entry, Fetch, Frame, Supply};
use crate::limits::{FETCH_ENTRIES, FETCH_NAMES, SUPPLY_BYTES};
use crate::message::StatusReport;
use crate::rejection::Rejection;
use crate::replica::{Replica, reject};
use crate::sabotage::{Bug, is_on};
use crate::slot::Slot;
use crate::types::{RequestId, Sequence};

impl Replica {
    /// Asks for everything that this replica waits for; called when it stood still for a tick.
    pub(crate) fn fetch_missing(&mut self, effects: &mut Effects) {
        self.fetches += 1;
        self.fetch_entries(effects);
        if self.is_primary() && !self.changing {
            self.propose_again(effects);
        }
        let (batches, requests) = self.missing_names();
        let Some(peer) = self.next_peer(|_| true) else {
            return;
        };
        if !batches.is_empty() {
            effects
                .direct
                .push((peer, Frame::Fetch(Fetch::Batches(batches))));
        }
        if !requests.is_empty() {
            effects
                .direct
                .push((peer, Frame::Fetch(Fetch::Requests(requests))));
        }
        let next = self.certified.next();
        self.fetch_missing_answers(next, effects);
    }

    /// Entries above what is certified here, from someone whose ledger has them.
    fn fetch_entries(&mut self, effects: &mut Effects) {
        let certified = self.certified;
        // A slow app gets no more than a window ahead of it.
        let room = self.dispatched.0.saturating_sub(self.executed.0) < self.window();
        let ahead = self.next_peer(|peer| {
            self.peers
                .get(&peer)
                .is_some_and(|report| report.certified > certified)
        });
        if let Some(peer) = ahead.filter(|_| room) {
            let fetch = Fetch::Entries(certified.next());
            effects.direct.push((peer, Frame::Fetch(fetch)));
        }
        self.fetch_checkpoint(effects);
    }

    /// Its app has run half of what it was given: a replica that is behind asks for more before
    /// the app falls idle. Left to the tick that finds nothing moving, it would hardly be faster
    /// than those whom it follows.
    pub(crate) fn fetch_on(&mut self, effects: &mut Effects) {
        let half = self.window() / 2;
        let far = self.certified + half;
        let waiting = self.dispatched.0.saturating_sub(self.executed.0);
        if waiting == half && self.peers.values().any(|peer| peer.certified > far) {
            self.fetches += 1;
            self.fetch_entries(effects);
        }
    }

    /// A certificate of a later sequence may have settled a checkpoint's, and peers that moved
    /// their watermarks send its ATTESTs no more: then its certificate is in their ledgers. Who
    /// restarted since has the tree there in its ledger alone, and could not show that it is
    /// stable; the next checkpoint, the end of its window, moves its watermarks.
    fn fetch_checkpoint(&mut self, effects: &mut Effects) {
        let checkpoint = self.stable + self.config.checkpoint_interval;
        let passed = self.certified >= checkpoint && self.settled_tree(checkpoint).is_some();
        if !passed || is_on(Bug::WatermarkMissed) {
            return;
        }
        let moved = |report: &StatusReport| report.stable >= checkpoint;
        let peer = self.next_peer(|peer| self.peers.get(&peer).is_some_and(moved));
        if let Some(peer) = peer {
            let fetch = Fetch::Entries(checkpoint);
            effects.direct.push((peer, Frame::Fetch(fetch)));
        }
    }

    /// The watermark that was missed, if the certificate is for the tree that was settled here.
    fn adopt_checkpoint(&mut self, entry: &Entry, effects: &mut Effects) -> Result<(), Rejection> {
        let certificate = &entry.certificate;
        let sequence = certificate.sequence;
        let missed = sequence > self.stable && sequence <= self.certified;
        if !missed || entry.commit.vote.sequence != sequence {
            return Ok(());
        }
        check_cosignatures(certificate, self.judge())?;
        if self.settled_tree(sequence) != Some((certificate.size, certificate.root)) {
            return Err(Rejection::Supply);
        }
        self.note_late(certificate.clone(), effects);
        Ok(())
    }

    /// Size and root of the tree up to a sequence that was settled since this replica started.
    fn settled_tree(&self, sequence: Sequence) -> Option<(u64, Digest)> {
        let run = self.slots.get(&sequence)?.run.as_ref()?;
        let settled = run.settled.as_ref()?;
        Some((settled.size, settled.root))
    }

    /// Peers in turn, so that a silent one delays but does not block.
    fn next_peer(&self, suits: impl Fn(ReplicaId) -> bool) -> Option<ReplicaId> {
        let others = self
            .config
            .membership
            .ids()
            .filter(|id| *id != self.config.replica);
        let suited: Vec<ReplicaId> = others.filter(|id| suits(*id)).collect();
        let turn = usize::try_from(self.fetches).unwrap_or(0);
        suited.get(turn % suited.len().max(1)).copied()
    }

    fn missing_names(&self) -> (Vec<Digest>, Vec<RequestId>) {
        let named = self.slots.values().filter(|slot| slot.run.is_none());
        let digests: BTreeSet<Digest> = named
            .filter_map(Slot::digest)
            .chain(self.required.values().copied())
            .collect();
        let (here, missing): (Vec<Digest>, Vec<Digest>) = digests
            .into_iter()
            .partition(|digest| self.batches.contains_key(digest));
        let requests = here.iter().filter_map(|digest| self.batches.get(digest));
        let requests = requests.flat_map(|batch| &batch.requests);
        let absent = |id: &&RequestId| !self.pool.contains(id) && !self.ran.contains_key(id);
        let mut requests: BTreeSet<RequestId> = requests.filter(absent).copied().collect();
        requests.extend(
            self.slots
                .keys()
                .flat_map(|sequence| self.unvouched_in(*sequence)),
        );
        let missing = missing.into_iter().take(FETCH_NAMES).collect();
        (missing, requests.into_iter().take(FETCH_NAMES).collect())
    }

    /// Answers a peer's question from memory. The ledger's entries are the driver's to supply.
    pub(crate) fn on_fetch(&mut self, from: ReplicaId, fetch: &Fetch, effects: &mut Effects) {
        let supply = match fetch {
            Fetch::Batches(digests) => {
                let held = digests
                    .iter()
                    .take(FETCH_NAMES)
                    .filter_map(|it| self.batches.get(it));
                bounded(held.map(|batch| batch.bytes.clone())).map(Supply::Batches)
            }
            Fetch::Requests(ids) => {
                let held = ids.iter().take(FETCH_NAMES).filter_map(|id| self.body(id));
                bounded(held).map(Supply::Requests)
            }
            Fetch::Outcome { sequence, index } => {
                let kept = || self.disputes.ours((*sequence, *index));
                self.outcome(*sequence, *index)
                    .or_else(kept)
                    .map(|answer| Supply::Outcome {
                        sequence: *sequence,
                        index: *index,
                        answer: answer.clone(),
                    })
            }
            Fetch::Entries(_) | Fetch::Proposal(_) => None,
        };
        if let Some(supply) = supply {
            effects.direct.push((from, Frame::Supply(supply)));
        }
        match fetch {
            Fetch::Requests(ids) => self.send_words(from, ids, effects),
            Fetch::Proposal(sequence) => self.supply_proposal(from, *sequence, effects),
            _ => {}
        }
    }

    fn body(&self, id: &RequestId) -> Option<Bytes> {
        let ran = self.ran.get(id).map(|ran| &ran.request);
        self.pool
            .request(id)
            .or(ran)
            .map(|request| request.bytes.clone())
    }

    /// Takes what a peer supplied.
    pub(crate) fn on_supply(&mut self, from: ReplicaId, supply: Supply, effects: &mut Effects) {
        let taken = match supply {
            Supply::Batches(batches) => {
                self.on_batches(&batches);
                Ok(())
            }
            Supply::Requests(requests) => self.on_bodies(from, &requests, effects),
            Supply::Entries(entries) => self.on_entries(entries, effects),
            Supply::Outcome {
                sequence,
                index,
                answer,
            } => self.on_outcome(from, (sequence, index), answer, effects),
        };
        if let Err(rejection) = taken {
            reject(effects, from, rejection, "supply");
        }
    }

    /// Rule (ii): leaves under a q-certified root are settled, whatever RESULTs say.
    /// Those of one supply stand alone: whoever supplied what turns out wrong is named for it, and
    /// nobody who came after him.
    fn on_entries(&mut self, entries: Vec<Entry>, effects: &mut Effects) -> Result<(), Rejection> {
        self.adoptable.clear();
        for entry in entries
            .into_iter()
            .take(usize::try_from(FETCH_ENTRIES).unwrap_or(0))
        {
            let sequence = entry.commit.vote.sequence;
            self.adopt_checkpoint(&entry, effects)?;
            let wanted = self.certified.next()..=self.certified + self.window();
            if wanted.contains(&sequence) {
                self.adoptable.insert(sequence, entry);
            }
        }
        let before = self.certified;
        let outcome = self.adopt_certified(effects);
        self.adoptable = self.adoptable.split_off(&self.certified.next());
        if self.certified > before {
            self.fetches += 1;
            self.fetch_entries(effects);
        }
        outcome
    }

    /// Adopts runs of entries, each run ending where its certificate does.
    fn adopt_certified(&mut self, effects: &mut Effects) -> Result<(), Rejection> {
        while let Some(first) = self.adoptable.get(&self.certified.next()) {
            let last = first.certificate.sequence;
            let run: Vec<Entry> = self
                .adoptable
                .range(self.certified.next()..=last.max(self.certified.next()))
                .map(|(_, entry)| entry.clone())
                .collect();
            if run.len() as u64 != last.0.saturating_sub(self.certified.0) {
                return Ok(());
            }
            self.adoptable = self.adoptable.split_off(&last.next());
            self.adopt(run, last, effects)?;
        }
        Ok(())
    }

    fn adopt(
        &mut self,
        entries: Vec<Entry>,
        last: Sequence,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let certificate = entries[0].certificate.clone();
        check_cosignatures(&certificate, self.judge())?;
        for entry in &entries {
            self.adopt_commit(entry)?;
        }
        self.dispatch_committed(effects);
        if self.dispatched < last {
            return Err(Rejection::Supply);
        }
        let leaves = self.certified_leaves(&entries, &certificate)?;
        self.settle_adopted(entries, leaves);
        self.waiting_certificates.insert(last, certificate);
        self.certify_settled(effects);
        effects.notices.push(Notice::CaughtUp(last));
        Ok(())
    }

    /// The batch was committed there: q COMMITs say so.
    fn adopt_commit(&mut self, entry: &Entry) -> Result<(), Rejection> {
        let batch = KnownBatch::parse(&entry.batch).ok_or(Rejection::Supply)?;
        let vote = entry.commit.vote;
        if batch.sequence != vote.sequence || batch.digest != vote.digest {
            return Err(Rejection::Supply);
        }
        entry.commit.check(self.judge())?;
        self.slot_mut(vote.sequence)?
            .committed
            .get_or_insert_with(|| entry.commit.clone());
        self.batches.insert(vote.digest, batch.clone());
        for bytes in &entry.requests {
            let request = crate::request::KnownRequest::parse(bytes).ok_or(Rejection::Supply)?;
            if batch.requests.contains(&request.id) && !self.ran.contains_key(&request.id) {
                let (own, now) = (self.config.replica, self.now.monotonic);
                self.pool.insert(request, own, now);
            }
        }
        Ok(())
    }

    /// The leaves of the entries, if with them the tree has exactly the certified root.
    fn certified_leaves(
        &self,
        entries: &[Entry],
        certificate: &crate::execution::Certificate,
    ) -> Result<Vec<Vec<Digest>>, Rejection> {
        let first = entries[0].commit.vote.sequence;
        let mut frontier = self.frontier_before(first).ok_or(Rejection::Supply)?;
        let mut all = Vec::new();
        for entry in entries {
            let slot = self
                .slots
                .get(&entry.commit.vote.sequence)
                .ok_or(Rejection::Supply)?;
            let run = slot.run.as_ref().ok_or(Rejection::Supply)?;
            let sound = |answer: &SettledAnswer| answer.answer.is_consistent();
            if run.items.len() != entry.answers.len() || !entry.answers.iter().all(sound) {
                return Err(Rejection::Supply);
            }
            let leaves: Vec<Digest> = entry
                .answers
                .iter()
                .map(|settled| settled.answer.leaf_hash())
                .collect();
            for leaf in leaves.iter().copied().chain([run.batch_leaf.hash()]) {
                frontier.append(leaf);
            }
            all.push(leaves);
        }
        let reached = (frontier.size(), frontier.root());
        if reached == (certificate.size, certificate.root) {
            Ok(all)
        } else {
            Err(Rejection::Supply)
        }
    }

    /// The tree as of the end of the sequence before `first`.
    fn frontier_before(&self, first: Sequence) -> Option<byzantine_proof::tree::Frontier> {
        if self.settled < first {
            return Some(self.frontier.clone());
        }
        self.slots
            .get(&first)?
            .run
            .as_ref()?
            .settled
            .as_ref()?
            .before
            .clone()
            .into()
    }

    /// Settles by rule (ii) what rule (i) has not settled yet, and fills in missing answers.
    fn settle_adopted(&mut self, entries: Vec<Entry>, leaves: Vec<Vec<Digest>>) {
        for (entry, leaves) in entries.into_iter().zip(leaves) {
            let sequence = entry.commit.vote.sequence;
            let run = self.slots.get(&sequence).and_then(|slot| slot.run.as_ref());
            let settled = run.and_then(|run| run.settled.as_ref());
            if settled.is_some_and(|settled| settled.leaves != leaves) {
                self.unsettle(sequence);
            }
            let Some(run) = self
                .slots
                .get_mut(&sequence)
                .and_then(|slot| slot.run.as_mut())
            else {
                continue;
            };
            if sequence > self.settled || is_on(Bug::AdoptedTwice) {
                run.settle(leaves, &mut self.frontier);
                self.settled = sequence;
            }
            let answers = run
                .settled
                .iter_mut()
                .flat_map(|settled| settled.answers.iter_mut());
            for (place, settled) in answers.zip(entry.answers) {
                place.get_or_insert(settled.answer);
            }
        }
    }
}

/// As many items as fit into one SUPPLY, at least one; `None` when there are none.
fn bounded(items: impl Iterator<Item = Bytes>) -> Option<Vec<Bytes>> {
    let mut bytes = 0;
    let fits = items.take_while(|item| {
        let first = bytes == 0;
        bytes += item.len();
        first || bytes <= SUPPLY_BYTES
    });
    let supplied: Vec<Bytes> = fits.collect();
    (!supplied.is_empty()).then_some(supplied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supply_is_bounded_and_never_empty() {
        let items = |sizes: &[usize]| bounded(sizes.iter().map(|size| vec![0; *size].into()));
        assert_eq!(items(&[]), None);
        let half = SUPPLY_BYTES / 2;
        assert_eq!(items(&[half, half, 1]).unwrap().len(), 2);
        assert_eq!(items(&[half, half + 1]).unwrap().len(), 1);
        assert_eq!(items(&[SUPPLY_BYTES + 1, 1]).unwrap().len(), 1);
    }
}
