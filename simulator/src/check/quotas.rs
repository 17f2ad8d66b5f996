//! Who is charged for a key, who is refused for want of room, and that nobody else is: by a table
//! of keys of its own, which the ledger's order moves on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byzantine_consensus::{
    Batch, Digest, Limit, ReplicaId, Request, RequestId, Retention, Settlement, Verdict, request_id,
};

use byzantine_proof::{LeafKind, ResponseLeaf};

use super::{Checks, Violation};
use crate::keys::expiry;
use crate::ledger::Proven;

/// A key that is remembered.
struct Known {
    request: RequestId,
    gateway: ReplicaId,
    expires: u64,
}

/// The keys within their retention, and how many a gateway may have.
struct Table {
    kept: Retention,
    keys: BTreeMap<Digest, Known>,
}

impl Table {
    fn forget(&mut self, time: u64) {
        self.keys.retain(|_, known| known.expires >= time);
    }

    /// What must become of a request; `None` where it was answered.
    fn verdict(
        &self,
        (key, id): (Digest, RequestId),
        gateway: ReplicaId,
        time: u64,
    ) -> Option<&'static str> {
        match self.keys.get(&key) {
            Some(known) if known.request == id => None,
            Some(_) => Some("reused"),
            None if self.limit(gateway, time).is_some() => Some("limit"),
            None => Some("call"),
        }
    }

    fn limit(&self, gateway: ReplicaId, time: u64) -> Option<Limit> {
        let of = || self.keys.values().filter(|known| known.gateway == gateway);
        let keys = u32::try_from(of().count()).unwrap_or(u32::MAX);
        let first = of().map(|known| known.expires).min().unwrap_or(time);
        (keys >= self.kept.gateway_keys).then_some(Limit {
            gateway,
            keys,
            seconds: (first - time) / 1000 + 1,
        })
    }
}

impl Checks {
    /// A correct replica's gateway is asked to let a request in.
    pub fn asked(&mut self, gateway: ReplicaId, id: RequestId) {
        self.let_in.insert((gateway, id));
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
        let own = refusal(by);
        let other = |proven: &Proven| is_limit(proven) && proven.answer.content != own.as_bytes();
        match replies.iter().find(|(.., proven)| other(proven)) {
            Some((client, id, _)) if self.is_correct(by) => {
                let detail = format!("{by} tells client {client} another's limit for {id}");
                Err(Violation::new("quota", detail))
            }
            _ => Ok(()),
        }
    }

    /// Every verdict is that of the table of keys, and no correct gateway is charged for what it
    /// did not let in.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn charged(&self, ledger: &[Arc<Settlement>], kept: Retention) -> Result<(), Violation> {
        let mut table = Table {
            kept,
            keys: BTreeMap::new(),
        };
        for settlement in ledger {
            table.forget(settlement.time.0);
            self.charged_once(&mut table, settlement)?;
        }
        Ok(())
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
            let gateway = place.map(|place| batch.gateways[place]);
            let (Some(request), Some(gateway)) = (request, gateway) else {
                return broken(format!("{id} is not in its batch"));
            };
            let key = request.key_hash().unwrap_or_else(|| Digest::of(bytes));
            let Some(due) = table.verdict((key, id), gateway, time) else {
                continue;
            };
            if self.is_correct(gateway) && !self.let_in.contains(&(gateway, id)) {
                return broken(format!("{gateway} is charged for {id}, and was not asked"));
            }
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
                table.keys.insert(
                    key,
                    Known {
                        request: id,
                        gateway,
                        expires,
                    },
                );
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

/// What correct gateways were asked to let in.
pub(super) type LetIn = BTreeSet<(ReplicaId, RequestId)>;
