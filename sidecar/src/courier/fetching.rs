//! Bringing a snapshot over: whom to believe, and chunk by chunk from all who offer it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use byzantine_consensus::Sequence;
use byzantine_proof::{Digest, ReplicaId, ResponseLeaf};

use super::{Courier, Ended, MAX_OFFERS, StateParcel, beside};
use crate::snapshots::{Manifest, Part};

/// Between two questions for offers.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// After this long a chunk is asked for elsewhere.
const PATIENCE: Duration = Duration::from_secs(5);

/// Chunks that each peer is asked for at a time.
const CHUNKS_AT_ONCE: usize = 4;

/// While f+1 replicas may still come to offer the same, no single one's word is looked at.
const GRACE: Duration = Duration::from_secs(10);

/// How far the fetching has come.
#[derive(Default)]
pub(super) struct Fetching {
    asked_for_offers: Option<Instant>,
    wanted_since: Option<Instant>,
    current: Option<Current>,
    /// Who sent wrong bytes; nobody asks it again.
    liars: BTreeSet<ReplicaId>,
}

struct Current {
    snapshot: Digest,
    part: Part,
    sources: Vec<ReplicaId>,
    asked: BTreeMap<u32, (ReplicaId, Instant)>,
    expected: Option<Digest>,
}

impl Courier {
    /// Asks for offers and chunks while a snapshot is wanted.
    pub(super) async fn look_at_fetching(&mut self) -> Result<(), Ended> {
        let Some(wanted) = self.parts.snapshots.wanted() else {
            self.fetching = Fetching::default();
            return Ok(());
        };
        let since = *self.fetching.wanted_since.get_or_insert_with(Instant::now);
        let last = self.fetching.asked_for_offers;
        if last.is_none_or(|last| last.elapsed() > ASK_INTERVAL) {
            self.fetching.asked_for_offers = Some(Instant::now());
            for peer in &self.others {
                self.send(*peer, StateParcel::AskSnapshots).await?;
            }
        }
        self.choose(wanted, since).await?;
        self.ask_for_chunks().await
    }

    pub(super) fn on_offer(&mut self, from: ReplicaId, offered: Vec<Manifest>) {
        let sound = offered.into_iter().filter(Manifest::is_valid);
        self.offers.insert(from, sound.take(MAX_OFFERS).collect());
    }

    /// The newest snapshot that may be believed, where another one is being fetched or none.
    async fn choose(&mut self, wanted: Sequence, since: Instant) -> Result<(), Ended> {
        let mut chosen = self.agreed(wanted);
        if chosen.is_none() && since.elapsed() > GRACE {
            chosen = self.provable(wanted).await?;
        }
        let Some((manifest, expected)) = chosen else {
            return Ok(());
        };
        let snapshot = manifest.digest();
        let sources = self.sources(snapshot);
        if let Some(current) = &mut self.fetching.current
            && current.snapshot == snapshot
        {
            current.sources = sources;
            return Ok(());
        }
        // One that still comes in is not given up for a newer one.
        let served = |current: &Current| !self.sources(current.snapshot).is_empty();
        if self.fetching.current.as_ref().is_some_and(served) {
            return Ok(());
        }
        self.begin(manifest, sources, expected);
        Ok(())
    }

    fn begin(&mut self, manifest: Manifest, sources: Vec<ReplicaId>, expected: Option<Digest>) {
        let (snapshot, sequence) = (manifest.digest(), manifest.sequence.0);
        let bytes = manifest.bytes;
        match self.parts.snapshots.part(manifest) {
            Ok(part) => {
                let missing = part.missing().len();
                tracing::info!(
                    sequence,
                    bytes,
                    missing,
                    ?sources,
                    "bringing a snapshot over"
                );
                self.fetching.current = Some(Current {
                    snapshot,
                    part,
                    sources,
                    asked: BTreeMap::new(),
                    expected,
                });
            }
            Err(error) => self.in_trouble(&error.to_string()),
        }
    }

    /// What f+1 replicas offer with equal bytes: one of them is correct, and its app is not known
    /// to have diverged, or it would not offer it.
    fn agreed(&self, wanted: Sequence) -> Option<(Manifest, Option<Digest>)> {
        let mut votes: BTreeMap<Digest, (usize, &Manifest)> = BTreeMap::new();
        for offered in self.offers.values() {
            let named: BTreeMap<Digest, &Manifest> =
                offered.iter().map(|it| (it.digest(), it)).collect();
            for (digest, manifest) in named {
                votes.entry(digest).or_insert((0, manifest)).0 += 1;
            }
        }
        let agreed = votes.into_values().filter(|(count, manifest)| {
            *count >= self.weak_quorum() && manifest.sequence >= wanted
        });
        let newest = agreed.max_by_key(|(_, manifest)| manifest.sequence);
        newest.map(|(_, manifest)| (manifest.clone(), None))
    }

    /// What the app itself can show to be right: the certified leaf of the last call names the
    /// state that the app must name once it has taken the snapshot.
    async fn provable(
        &self,
        wanted: Sequence,
    ) -> Result<Option<(Manifest, Option<Digest>)>, Ended> {
        let offered = self.offers.values().flatten();
        let mut candidates: Vec<&Manifest> = offered
            .filter(|manifest| manifest.sequence >= wanted)
            .collect();
        candidates.sort_unstable_by_key(|manifest| std::cmp::Reverse(manifest.sequence));
        for manifest in candidates {
            if let Some(state) = self.certified_state(manifest).await? {
                return Ok(Some((manifest.clone(), Some(state))));
            }
        }
        Ok(None)
    }

    /// What the leaf of the last call before a snapshot names.
    async fn certified_state(&self, manifest: &Manifest) -> Result<Option<Digest>, Ended> {
        let (ledger, sequence) = (self.parts.ledger.clone(), manifest.sequence);
        let ordinal = manifest.ordinal;
        let leaf = beside(move || ledger.leaf_of_call(ordinal, sequence)).await?;
        let leaf = leaf.and_then(|leaf| ResponseLeaf::parse(&leaf).ok());
        Ok(leaf.and_then(|leaf| leaf.state))
    }

    fn sources(&self, snapshot: Digest) -> Vec<ReplicaId> {
        let offering = self.offers.iter().filter(|(peer, offered)| {
            !self.fetching.liars.contains(peer)
                && offered.iter().any(|manifest| manifest.digest() == snapshot)
        });
        offering.map(|(peer, _)| *peer).collect()
    }

    async fn ask_for_chunks(&mut self) -> Result<(), Ended> {
        let Some(current) = &mut self.fetching.current else {
            return Ok(());
        };
        current.asked.retain(|_, (peer, since)| {
            since.elapsed() < PATIENCE && current.sources.contains(peer)
        });
        let mut room: Vec<ReplicaId> = Vec::new();
        for peer in &current.sources {
            let busy = current.asked.values().filter(|(asked, _)| asked == peer);
            let free = CHUNKS_AT_ONCE.saturating_sub(busy.count());
            room.extend(std::iter::repeat_n(*peer, free));
        }
        let missing = current.part.missing().into_iter();
        let open: Vec<u32> = missing
            .filter(|index| !current.asked.contains_key(index))
            .take(room.len())
            .collect();
        let snapshot = current.snapshot;
        for (index, peer) in open.iter().zip(&room) {
            current.asked.insert(*index, (*peer, Instant::now()));
        }
        let whole = current.part.is_whole();
        for (index, peer) in open.into_iter().zip(room) {
            self.send(peer, StateParcel::AskChunk { snapshot, index })
                .await?;
        }
        if whole {
            self.finish().await;
        }
        Ok(())
    }

    pub(super) async fn on_chunk(
        &mut self,
        from: ReplicaId,
        (snapshot, index): (Digest, u32),
        bytes: &[u8],
    ) -> Result<(), Ended> {
        let Some(current) = &mut self.fetching.current else {
            return Ok(());
        };
        if current.snapshot != snapshot || current.asked.remove(&index).is_none() {
            return Ok(());
        }
        match current.part.put(index, bytes) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(%from, index, "a chunk of a snapshot is not what was offered");
                self.fetching.liars.insert(from);
                if let Some(current) = &mut self.fetching.current {
                    current.sources.retain(|source| *source != from);
                }
            }
            Err(error) => self.in_trouble(&error.to_string()),
        }
        self.ask_for_chunks().await
    }

    async fn finish(&mut self) {
        let Some(current) = self.fetching.current.take() else {
            return;
        };
        let sequence = current.part.manifest().sequence.0;
        let snapshots = self.parts.snapshots.clone();
        let taken = beside(move || snapshots.take_over(current.part, current.expected)).await;
        match taken {
            Ok(()) => {
                tracing::info!(sequence, "a snapshot was brought over");
                // The executor asks again if it is of no use.
                self.parts.snapshots.satisfied();
            }
            Err(error) => self.in_trouble(&error.to_string()),
        }
    }

    fn in_trouble(&mut self, why: &str) {
        tracing::error!(why, "a snapshot cannot be brought over");
        self.parts.snapshots.note_trouble(why);
        self.fetching.current = None;
    }
}
