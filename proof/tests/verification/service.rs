//! A small service with fixed keys that answers and proves.

use byzantine_proof::tree::{Frontier, inclusion_path, leaf_hash};
use byzantine_proof::{
    BatchLeaf, Checkpoint, Client, Cosignature, Digest, FieldBlock, IdempotencyKey, LeafKind,
    Member, Membership, ReplicaId, RequestBase, RequestFields, RequestParts, ResponseLeaf,
    SecretKey, ServiceName, SignedCheckpoint, TlogProof, key_hash,
};
use std::collections::BTreeMap;

pub(crate) const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";
pub(crate) const TIME_MS: u64 = 1_795_000_000_123;

/// A secret key that everybody knows: SHA-256 of its purpose is the seed.
pub(crate) fn secret(purpose: &str, replica: u8) -> SecretKey {
    let seed = Digest::of(format!("byzantine test vector, {purpose} key of r{replica}").as_bytes());
    SecretKey::from_seed(seed.as_bytes())
}

pub(crate) fn membership(n: u8, f: u8, k: u8) -> Membership {
    let member = |id| Member {
        id: ReplicaId(id),
        vote: secret("vote", id).public_key(),
        cosigner: secret("cosigner", id).public_key(),
        link: secret("link", id).public_key(),
    };
    let service = ServiceName::parse("wallet.bank.byzantine.example").unwrap();
    Membership::new(service, 0, f, k, (0..n).map(member).collect()).unwrap()
}

/// A request and what the service answered.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: Option<&'static str>,
    pub(crate) request_headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) request_body: Vec<u8>,
    pub(crate) client: Client,
    pub(crate) kind: LeafKind,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) state: Option<Digest>,
}

pub(crate) fn transfer() -> Exchange {
    let header = |name, value: &str| (name, value.as_bytes().to_vec());
    Exchange {
        method: "POST",
        path: "/transfers",
        query: None,
        request_headers: vec![
            header("Accept", "*/*"),
            header("Content-Type", "application/json"),
        ],
        request_body: br#"{"from":"alice","to":"bob","amount":25}"#.to_vec(),
        client: Client::Anonymous,
        kind: LeafKind::App,
        status: 201,
        fields: vec![
            header("content-type", "application/json"),
            header("cache-control", "no-store"),
            header("location", "/transfers/17"),
        ],
        body: br#"{"id":17,"from":"alice","to":"bob","amount":25,"state":"pending"}"#.to_vec(),
        state: None,
    }
}

/// A log of one epoch that holds everything ever appended.
pub(crate) struct Log {
    pub(crate) membership: Membership,
    tree: Frontier,
    nodes: BTreeMap<(u8, u64), Digest>,
}

impl Log {
    /// A log with `before` leaves of earlier sequences.
    pub(crate) fn new(membership: Membership, before: u64) -> Self {
        let mut log = Self {
            membership,
            tree: Frontier::new(),
            nodes: BTreeMap::new(),
        };
        (0..before).for_each(|number| log.append(format!("earlier leaf {number}\n").as_bytes()));
        log
    }

    pub(crate) fn append(&mut self, leaf: &[u8]) {
        for node in self.tree.append(leaf_hash(leaf)) {
            self.nodes.insert((node.level, node.index), node.hash);
        }
    }

    pub(crate) fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.nodes.get(&(level, index)).copied()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let origin = self.membership.origin().clone();
        Checkpoint {
            origin,
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    pub(crate) fn cosigned(&self, by: &[u8]) -> SignedCheckpoint {
        let checkpoint = self.checkpoint();
        let cosign = |id: &u8| {
            let cosigner = secret("cosigner", *id);
            (
                ReplicaId(*id),
                Cosignature::cosign(&cosigner, &checkpoint, TIME_MS / 1000),
            )
        };
        let cosigned: Vec<_> = by.iter().map(cosign).collect();
        SignedCheckpoint::assemble(&self.membership, checkpoint.clone(), &cosigned).unwrap()
    }

    /// Appends the answer and the batch leaf; returns the proof.
    pub(crate) fn answer(&mut self, exchange: &Exchange, signers: &[u8]) -> TlogProof {
        let (leaf, block) = self.certified(exchange);
        let position = self.tree.size();
        self.append(leaf.to_text().as_bytes());
        self.append(self.batch_leaf().to_text().as_bytes());
        self.prove(&leaf, &block, position, signers)
    }

    pub(crate) fn prove(
        &self,
        leaf: &ResponseLeaf,
        block: &FieldBlock,
        position: u64,
        signers: &[u8],
    ) -> TlogProof {
        let size = self.tree.size();
        let path = inclusion_path(position, size, |level, index| self.node(level, index)).unwrap();
        TlogProof::new(leaf, block, position, path, &self.cosigned(signers))
    }

    pub(crate) fn certified(&self, exchange: &Exchange) -> (ResponseLeaf, FieldBlock) {
        let request = Self::request(exchange);
        let key = IdempotencyKey::parse(KEY).unwrap();
        let fields = exchange
            .fields
            .iter()
            .map(|(name, value)| (*name, &value[..]));
        let block = FieldBlock::build(request.fields, fields).unwrap();
        let leaf = ResponseLeaf {
            origin: self.membership.origin().clone(),
            sequence: 1042,
            index: 0,
            time_ms: TIME_MS,
            kind: exchange.kind,
            key: key_hash(&exchange.client, &key),
            request: request.digest,
            status: exchange.status,
            fields: block.digest(),
            content_length: exchange.body.len() as u64,
            content: Digest::of(&exchange.body),
            state: exchange.state,
        };
        (leaf, block)
    }

    pub(crate) fn request(exchange: &Exchange) -> RequestBase {
        let key = IdempotencyKey::parse(KEY).unwrap();
        let headers: Vec<(&str, &[u8])> = exchange
            .request_headers
            .iter()
            .map(|(name, value)| (*name, &value[..]))
            .collect();
        let Exchange {
            method,
            path,
            query,
            request_body: body,
            ..
        } = exchange;
        let parts = RequestParts {
            method,
            path,
            query: *query,
            key: &key,
            body,
            headers: &headers,
        };
        parts.base(&RequestFields::default()).unwrap()
    }

    fn batch_leaf(&self) -> BatchLeaf {
        BatchLeaf {
            origin: self.membership.origin().clone(),
            sequence: 1042,
            time_ms: TIME_MS,
            batch: Digest::of(b"the ordered batch"),
            leaves: 1,
            duplicates: 0,
            resolved: Vec::new(),
            middleware: None,
        }
    }
}
