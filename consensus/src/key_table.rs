//! Exactly-once: which keys were answered, and where. Part of the replicated state.
//!
//! Execution order alone decides; entries live until agreed time passes their expiry and are
//! never evicted before. So that this stays bounded, each gateway has a quota of them.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_proof::{Digest, ReplicaId};

use crate::batch::Admission;
use crate::config::RememberedKey;
use crate::execution::Limit;
use crate::sabotage::{Bug, is_on};
use crate::types::{RequestId, Sequence, UnixMillis};

/// What the table says about a request that is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The key is new.
    Never,
    /// The same request was answered.
    Same,
    /// The key was used with another request.
    Reused,
    /// The key is not here, and may have been forgotten since its gateway let the request in.
    Lapsed,
    /// The key is new, and its gateway's quota is used up.
    Limit(Limit),
}

/// All keys within their retention.
#[derive(Debug)]
pub(crate) struct KeyTable {
    /// The quota of each gateway.
    quota: u32,
    keys: BTreeMap<Digest, RememberedKey>,
    by_request: BTreeMap<RequestId, Digest>,
    /// The last sequence of which a key was forgotten.
    forgotten: Sequence,
    /// What to forget next, by whose quota it uses.
    expiries: BTreeMap<ReplicaId, BTreeSet<(UnixMillis, Digest)>>,
}

impl KeyTable {
    /// No keys yet; each gateway may have `quota` of them. Those up to `forgotten` may have been
    /// forgotten.
    pub(crate) const fn new(quota: u32, forgotten: Sequence) -> Self {
        Self {
            quota,
            forgotten,
            keys: BTreeMap::new(),
            by_request: BTreeMap::new(),
            expiries: BTreeMap::new(),
        }
    }

    /// Remembers an answered key.
    pub(crate) fn insert(&mut self, key: RememberedKey) {
        let of_gateway = self.expiries.entry(key.gateway).or_default();
        of_gateway.insert((key.expires, key.key_hash));
        self.by_request.insert(key.request_id, key.key_hash);
        self.keys.insert(key.key_hash, key);
    }

    /// Forgets what expired before `time`; returns the requests that were answered under it.
    pub(crate) fn expire(&mut self, time: UnixMillis) -> Vec<RequestId> {
        let mut requests = Vec::new();
        for expiries in self.expiries.values_mut() {
            while let Some(&(expires, key_hash)) = expiries.first() {
                if expires >= time {
                    break;
                }
                expiries.pop_first();
                if is_on(Bug::QuotaKept) {
                    expiries.insert((UnixMillis(u64::MAX), key_hash));
                }
                if let Some(key) = self.keys.remove(&key_hash) {
                    self.by_request.remove(&key.request_id);
                    self.forgotten = self.forgotten.max(key.sequence);
                    requests.push(key.request_id);
                }
            }
        }
        requests
    }

    /// The last sequence of which a key was forgotten; 0 when none was.
    pub(crate) const fn forgotten(&self) -> Sequence {
        self.forgotten
    }

    /// Whether a word of that time counts no more. A request that ran at a sequence later than the
    /// word has its key here still, or is recognised by this: so no old word, found in a log or
    /// on a slow link, can make a request run twice. Only a gateway that is asked anew can.
    pub(crate) fn is_lapsed(&self, as_of: Sequence) -> bool {
        as_of < self.forgotten && !is_on(Bug::WordsKept)
    }

    /// What is to become, at `time`, of a request that was let in so.
    pub(crate) fn seen(
        &self,
        (key_hash, request_id): (&Digest, &RequestId),
        admission: Admission,
        time: UnixMillis,
    ) -> Seen {
        match self.keys.get(key_hash) {
            Some(key) if key.request_id == *request_id => Seen::Same,
            _ if self.is_lapsed(admission.as_of) => Seen::Lapsed,
            None => self
                .limit(admission.gateway, time)
                .map_or(Seen::Never, Seen::Limit),
            Some(_) => Seen::Reused,
        }
    }

    /// What a gateway whose quota is used up is told.
    fn limit(&self, gateway: ReplicaId, time: UnixMillis) -> Option<Limit> {
        let keys = self.live(gateway);
        let first = self.expiries.get(&gateway).and_then(BTreeSet::first);
        let expires = first.map_or(time, |(expires, _)| *expires);
        let milliseconds = expires.0.saturating_sub(time.0);
        (keys >= self.quota).then_some(Limit {
            gateway,
            keys,
            // A key lives through the millisecond of its expiry.
            seconds: milliseconds / 1000 + 1,
        })
    }

    /// How many keys use this gateway's quota.
    pub(crate) fn live(&self, gateway: ReplicaId) -> u32 {
        let live = self.expiries.get(&gateway).map_or(0, BTreeSet::len);
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Where a request was answered.
    pub(crate) fn answered(&self, request_id: &RequestId) -> Option<&RememberedKey> {
        self.keys.get(self.by_request.get(request_id)?)
    }

    /// A digest of the whole table, in key order, and of what was forgotten. It covers every
    /// gateway's count, being that of the keys which name it.
    pub(crate) fn digest(&self, ordinal: u64) -> Digest {
        let mut bytes = Vec::with_capacity(self.keys.len() * 93 + 16);
        bytes.extend(ordinal.to_be_bytes());
        bytes.extend(self.forgotten.0.to_be_bytes());
        for key in self.keys.values() {
            bytes.extend(key.key_hash.as_bytes());
            bytes.extend(key.request_id.0.as_bytes());
            bytes.extend(key.sequence.0.to_be_bytes());
            bytes.extend(key.index.to_be_bytes());
            bytes.extend(key.expires.0.to_be_bytes());
            bytes.push(key.gateway.0);
        }
        Digest::tagged("byzantine-middleware/v1", &[&bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ReplicaId = ReplicaId(1);
    const THERE: ReplicaId = ReplicaId(2);

    fn key(name: &[u8], expires: u64) -> RememberedKey {
        RememberedKey {
            key_hash: Digest::of(name),
            request_id: RequestId(Digest::tagged("r", &[name])),
            sequence: Sequence(1),
            index: 0,
            expires: UnixMillis(expires),
            gateway: HERE,
        }
    }

    fn seen(table: &KeyTable, key: &RememberedKey, gateway: ReplicaId, time: u64) -> Seen {
        let name = (&key.key_hash, &key.request_id);
        let admission = Admission {
            gateway,
            as_of: Sequence(1),
        };
        table.seen(name, admission, UnixMillis(time))
    }

    #[test]
    fn a_key_lives_until_agreed_time_passes_its_expiry() {
        let mut table = KeyTable::new(9, Sequence(0));
        let (a, b) = (key(b"a", 10), key(b"b", 20));
        table.insert(a);
        table.insert(b);
        assert_eq!(table.expire(UnixMillis(10)), []);
        assert_eq!(seen(&table, &a, HERE, 10), Seen::Same);
        let other = RememberedKey {
            request_id: b.request_id,
            ..a
        };
        assert_eq!(seen(&table, &other, HERE, 10), Seen::Reused);
        assert_eq!(table.expire(UnixMillis(11)), [a.request_id]);
        assert_eq!(seen(&table, &a, HERE, 11), Seen::Never);
        assert!(table.answered(&a.request_id).is_none());
        assert_eq!(table.answered(&b.request_id), Some(&b));
    }

    #[test]
    fn a_word_lapses_once_a_later_key_is_forgotten() {
        let mut table = KeyTable::new(9, Sequence(0));
        table.insert(key(b"a", 10));
        let seen = |table: &KeyTable, name: &[u8], as_of| {
            let key = key(name, 0);
            let admission = Admission {
                gateway: THERE,
                as_of: Sequence(as_of),
            };
            table.seen((&key.key_hash, &key.request_id), admission, UnixMillis(11))
        };
        assert_eq!(seen(&table, b"new", 0), Seen::Never);
        table.expire(UnixMillis(11));
        assert_eq!(seen(&table, b"a", 0), Seen::Lapsed, "it ran at 1");
        assert_eq!(seen(&table, b"new", 0), Seen::Lapsed, "nobody knows");
        assert_eq!(seen(&table, b"a", 1), Seen::Never, "it was asked for anew");
        assert_eq!(table.forgotten(), Sequence(1));
    }

    #[test]
    fn a_gateways_quota_is_its_own_and_comes_back_with_time() {
        let mut table = KeyTable::new(2, Sequence(0));
        table.insert(key(b"a", 5_000));
        assert_eq!(seen(&table, &key(b"new", 0), HERE, 1_000), Seen::Never);
        table.insert(key(b"b", 7_000));
        let limit = Limit {
            gateway: HERE,
            keys: 2,
            seconds: 5,
        };
        assert_eq!(
            seen(&table, &key(b"new", 0), HERE, 1_000),
            Seen::Limit(limit)
        );
        assert_eq!(seen(&table, &key(b"new", 0), THERE, 1_000), Seen::Never);
        assert_eq!(
            seen(&table, &key(b"a", 0), HERE, 1_000),
            Seen::Same,
            "it has its place"
        );
        // What the refusal said to wait for is enough.
        table.expire(UnixMillis(1_000 + limit.seconds * 1000));
        assert_eq!(seen(&table, &key(b"new", 0), HERE, 6_000), Seen::Never);
        assert_eq!((table.live(HERE), table.live(THERE)), (1, 0));
    }

    #[test]
    fn the_digest_sees_every_entry_and_whose_it_is() {
        let mut table = KeyTable::new(9, Sequence(0));
        let empty = table.digest(0);
        table.insert(key(b"a", 10));
        assert_ne!(table.digest(0), empty);
        assert_ne!(table.digest(1), table.digest(0));
        let mut elsewhere = KeyTable::new(9, Sequence(0));
        elsewhere.insert(RememberedKey {
            gateway: THERE,
            ..key(b"a", 10)
        });
        assert_ne!(elsewhere.digest(0), table.digest(0));
        let forgetful = KeyTable::new(9, Sequence(1));
        assert_ne!(forgetful.digest(0), empty);
    }
}
