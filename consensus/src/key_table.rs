//! Exactly-once: which keys were answered, and where. Part of the replicated state.
//!
//! Execution order alone decides; entries live until agreed time passes their expiry and are
//! never evicted before.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_proof::Digest;

use crate::config::RememberedKey;
use crate::types::{RequestId, UnixMillis};

/// What the table says about a request that is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The key is new.
    Never,
    /// The same request was answered.
    Same,
    /// The key was used with another request.
    Reused,
}

/// All keys within their retention.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    keys: BTreeMap<Digest, RememberedKey>,
    by_request: BTreeMap<RequestId, Digest>,
    expiries: BTreeSet<(UnixMillis, Digest)>,
}

impl KeyTable {
    /// Remembers an answered key.
    pub(crate) fn insert(&mut self, key: RememberedKey) {
        self.expiries.insert((key.expires, key.key_hash));
        self.by_request.insert(key.request_id, key.key_hash);
        self.keys.insert(key.key_hash, key);
    }

    /// Forgets what expired before `time`.
    pub(crate) fn expire(&mut self, time: UnixMillis) {
        while let Some(&(expires, key_hash)) = self.expiries.first() {
            if expires >= time {
                break;
            }
            self.expiries.pop_first();
            if let Some(key) = self.keys.remove(&key_hash) {
                self.by_request.remove(&key.request_id);
            }
        }
    }

    /// What is known of a key.
    pub(crate) fn seen(&self, key_hash: &Digest, request_id: &RequestId) -> Seen {
        match self.keys.get(key_hash) {
            None => Seen::Never,
            Some(key) if key.request_id == *request_id => Seen::Same,
            Some(_) => Seen::Reused,
        }
    }

    /// Where a request was answered.
    pub(crate) fn answered(&self, request_id: &RequestId) -> Option<&RememberedKey> {
        self.keys.get(self.by_request.get(request_id)?)
    }

    /// A digest of the whole table, in key order.
    pub(crate) fn digest(&self, ordinal: u64) -> Digest {
        let mut bytes = Vec::with_capacity(self.keys.len() * 92 + 8);
        bytes.extend(ordinal.to_be_bytes());
        for key in self.keys.values() {
            bytes.extend(key.key_hash.as_bytes());
            bytes.extend(key.request_id.0.as_bytes());
            bytes.extend(key.sequence.0.to_be_bytes());
            bytes.extend(key.index.to_be_bytes());
            bytes.extend(key.expires.0.to_be_bytes());
        }
        Digest::tagged("byzantine-middleware/v1", &[&bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sequence;

    fn key(name: &[u8], expires: u64) -> RememberedKey {
        RememberedKey {
            key_hash: Digest::of(name),
            request_id: RequestId(Digest::tagged("r", &[name])),
            sequence: Sequence(1),
            index: 0,
            expires: UnixMillis(expires),
        }
    }

    #[test]
    fn a_key_lives_until_agreed_time_passes_its_expiry() {
        let mut table = KeyTable::default();
        let (a, b) = (key(b"a", 10), key(b"b", 20));
        table.insert(a);
        table.insert(b);
        table.expire(UnixMillis(10));
        assert_eq!(table.seen(&a.key_hash, &a.request_id), Seen::Same);
        assert_eq!(table.seen(&a.key_hash, &b.request_id), Seen::Reused);
        table.expire(UnixMillis(11));
        assert_eq!(table.seen(&a.key_hash, &a.request_id), Seen::Never);
        assert!(table.answered(&a.request_id).is_none());
        assert_eq!(table.answered(&b.request_id), Some(&b));
    }

    #[test]
    fn the_digest_sees_every_entry() {
        let mut table = KeyTable::default();
        let empty = table.digest(0);
        table.insert(key(b"a", 10));
        assert_ne!(table.digest(0), empty);
        assert_ne!(table.digest(1), table.digest(0));
    }
}
