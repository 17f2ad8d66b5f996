//! Who is charged for a key, who is refused for want of room, and that nobody else is: by a table
//! of keys of its own, which the ledger's order moves on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byzantine_consensus::{
    Admission, Batch, Digest, Limit, ReplicaId, Request, RequestId, Retention, Sequence,
    Settlement, Verdict, request_id,
};

use byzantine_proof::{LeafKind, ResponseLeaf};

use super::{Checks, Violation};
use crate::keys::expiry;
use crate::ledger::Proven;

/// A key that is remembered.
struct Known {
    sequence: Sequence,
    request: RequestId,
    gateway: ReplicaId,
    expires: u64,
}

/// The keys within their retention, and how many a gateway may have.
struct Table {
    kept: Retention,
    keys: BTreeMap<Digest, Known>,
    /// Each gateway's, by when they are forgotten: in a flood there are thousands.
    by_gateway: BTreeMap<ReplicaId, BTreeSet<(u64, Digest)>>,
    /// The last sequence of which a key was forgotten.
    forgotten: Sequence,
    /// Where each request ran last.
    ran: BTreeMap<RequestId, Sequence>,
}

impl Table {
    fn forget(&mut self, time: u64) {
        for keys in self.by_gateway.values_mut() {
            let kept = keys.split_off(&(time, Digest::from_bytes([0; 32])));
            for (_, key) in std::mem::replace(keys, kept) {
                let sequence = self.keys.remove(&key).map(|known| known.sequence);
                self.forgotten = self.forgotten.max(sequence.unwrap_or_default());
            }
        }
    }

    fn remember(&mut self, key: Digest, known: Known) {
        let of = self.by_gateway.entry(known.gateway).or_default();
        of.insert((known.expires, key));
        self.ran.insert(known.request, known.sequence);
        self.keys.insert(key, known);
    }

    /// What must become of a request; `None` where it was answered, or let in too long ago.
    fn verdict(
        &self,
        (key, id): (Digest, RequestId),
        admission: Admission,
        time: u64,
    ) -> Option<&'static str> {
        match self.keys.get(&key) {
            Some(known) if known.request == id => None,
            _ if admission.as_of < self.forgotten => None,
            Some(_) => Some("reused"),
            None if self.limit(admission.gateway, time).is_some() => Some("limit"),
            None => Some("call"),
        }
    }

    fn limit(&self, gateway: ReplicaId, time: u64) -> Option<Limit> {
        let of = self.by_gateway.get(&gateway);
        let keys = of.map_or(0, |of| u32::try_from(of.len()).unwrap_or(u32::MAX));
        let first = of.and_then(BTreeSet::first).map_or(time, |(at, _)| *at);
        (keys >= self.kept.gateway_keys).then_some(Limit {
            gateway,
            keys,
            seconds: (first - time) / 1000 + 1,
        })
    }
}

impl Checks {
    /// A correct replica's gateway lets a request in, having handed over all up to `reached`.
    pub fn asked(&mut self, gateway: ReplicaId, id: RequestId, reached: Sequence) {
        let last = self.let_in.entry((gateway, id)).or_default();
        *last = reached.max(*last);
    }

    /// A correct gateway refuses its own clients for its own quota alone.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn refused(
        &self,
        by: ReplicaId,
        replies: &[(usize, RequestId, Proven)],
    ) -> Result<(), Violation> {
        let own = |proven: &Proven| proven.answer.content == refusal(by).as_bytes();
        let other = |proven: &Proven| is_limit(proven) && !own(proven);
        match replies.iter().find(|(.., proven)| other(proven)) {
            Some((client, id, _)) if self.is_correct(by) => {
                let detail = format!("{by} tells client {client} another's limit for {id}");
                Err(Violation::new("quota", detail))
            }
            _ => Ok(()),
        }
    }

    /// Every verdict is that of the table of keys; no correct gateway is charged for what it
    /// did not let in; and what ran runs again only where a gateway was asked anew.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn charged(&self, ledger: &[Arc<Settlement>], kept: Retention) -> Result<(), Violation> {
        let mut table = Table {
            kept,
            keys: BTreeMap::new(),
            by_gateway: BTreeMap::new(),
            forgotten: Sequence(0),
            ran: BTreeMap::new(),
        };
        for settlement in ledger {
            table.forget(settlement.time.0);
            self.charged_once(&mut table, settlement)?;
        }
        Ok(())
    }

    /// Whether a gateway let a request in, and after it ran `before`, if it did.
    fn was_asked(
        &self,
        (gateway, id): (ReplicaId, RequestId),
        before: Option<&Sequence>,
    ) -> Result<(), String> {
        let asked = self.let_in.get(&(gateway, id));
        if !self.is_correct(gateway) || (asked.is_some() && before <= asked) {
            return Ok(());
        }
        Err(match before {
            Some(before) => format!("{id} ran at {before}, and {gateway} was not asked anew"),
            None => format!("{gateway} is charged for {id}, and was not asked"),
        })
    }

    fn charged_once(&self, table: &mut Table, settlement: &Settlement) -> Result<(), Violation> {
        let (sequence, time) = (settlement.sequence, settlement.time.0);
        let broken = |what: String| {
            let detail = format!("sequence {sequence}: {what}");
            Err(Violation::new("quota", detail))
        };
        let Some(batch) = Batch::decode(&settlement.batch) else {
            return broken("its batch is none".to_owned());
        };
        let mut answers = settlement.answers.iter();
        for bytes in &settlement.requests {
            let (id, request) = (request_id(bytes), Request::decode(bytes));
            let place = batch.requests.iter().position(|named| *named == id);
            let admission = place.map(|place| batch.admissions[place]);
            let (Some(request), Some(admission)) = (request, admission) else {
                return broken(format!("{id} is not in its batch"));
            };
            let key = request.key_hash().unwrap_or_else(|| Digest::of(bytes));
            let Some(due) = table.verdict((key, id), admission, time) else {
                continue;
            };
            let gateway = admission.gateway;
            let before = table.ran.get(&id).filter(|_| due == "call");
            self.was_asked((gateway, id), before).or_else(&broken)?;
            let found = answers.next().filter(|settled| settled.request_id == id);
            let found = found.filter(|settled| settled.gateway == gateway);
            let limit = table.limit(gateway, time);
            let agrees = found.is_some_and(|settled| match settled.verdict {
                Verdict::Call { .. } => due == "call",
                Verdict::Reused => due == "reused",
                Verdict::Limit(said) => due == "limit" && Some(said) == limit,
            });
            if !agrees {
                let found = found.map(|settled| settled.verdict);
                return broken(format!("{id} of {gateway}: {found:?} where {due} is due"));
            }
            if due == "call" {
                let expires = expiry(&table.kept, request.key_source, time);
                let known = Known {
                    sequence,
                    request: id,
                    gateway,
                    expires,
                };
                table.remember(key, known);
            }
        }
        if answers.next().is_some() {
            return broken("it has more answers than requests".to_owned());
        }
        Ok(())
    }
}

/// What a client reads who is refused for want of room.
pub fn refusal(gateway: ReplicaId) -> String {
    format!("limited by {gateway}")
}

fn is_limit(proven: &Proven) -> bool {
    let leaf = std::str::from_utf8(&proven.answer.leaf).ok();
    let leaf = leaf.and_then(|text| ResponseLeaf::parse(text).ok());
    leaf.is_some_and(|leaf| leaf.kind == LeafKind::Limit)
}

/// What correct gateways were asked to let in, and how far each had come when it last did.
pub(super) type LetIn = BTreeMap<(ReplicaId, RequestId), Sequence>;
