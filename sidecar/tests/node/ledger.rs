//! The ledger: proofs of what it holds, and what is left after a crash.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use byzantine_consensus::{
    Admission, Answer, Batch, Certificate, KeySource, Request, RequestId, Sequence, SettledAnswer,
    Settlement, UnixMillis, Verdict,
};
use byzantine_proof::tree::{Frontier, leaf_hash, verify_inclusion};
use byzantine_proof::{
    BatchLeaf, Checkpoint, Cosignature, Digest, FieldBlock, LeafKind, ReplicaId, RequestFields,
    ResponseLeaf, Tile,
};
use byzantine_sidecar::ledger::{Dispensable, Ledger, LedgerError};
use byzantine_sidecar::submission::History as _;

use crate::support::Members;

/// Makes settlements as a core would.
struct Chain {
    members: Members,
    frontier: Frontier,
    sequence: u64,
    ordinal: u64,
}

impl Chain {
    fn new(directory: &Path) -> Self {
        let members = Members::new(directory);
        let frontier = Frontier::new();
        Self {
            members,
            frontier,
            sequence: 0,
            ordinal: 0,
        }
    }

    fn open(&self, path: &Path) -> Result<Ledger, LedgerError> {
        Ledger::open(path, Arc::clone(&self.members.membership), ReplicaId(0))
    }

    fn next(&mut self) -> (Settlement, Certificate) {
        self.sequence += 1;
        self.ordinal += 1;
        let request = request(self.sequence);
        let batch = Batch {
            sequence: Sequence(self.sequence),
            time: Some(UnixMillis(self.sequence)),
            requests: vec![request.id()],
            admissions: vec![Admission {
                gateway: ReplicaId(0),
                as_of: Sequence(0),
            }],
            resolutions: vec![],
        };
        let size_before = self.frontier.size();
        let settled = self.answer(&request);
        let leaf = self.batch_leaf(batch.digest());
        self.frontier.append(leaf_hash(&settled.answer.leaf));
        self.frontier.append(leaf.hash());
        let settlement = Settlement {
            sequence: Sequence(self.sequence),
            time: UnixMillis(self.sequence),
            batch: batch.encode(),
            requests: vec![request.encode()],
            commit_certificate: Bytes::new(),
            answers: vec![settled],
            batch_leaf: Bytes::from(leaf.to_text()),
            size_before,
            size: self.frontier.size(),
            root: self.frontier.root(),
            ordinal: self.ordinal,
            forgotten: Sequence(0),
        };
        let certificate = self.certificate();
        (settlement, certificate)
    }

    fn answer(&self, request: &Request) -> SettledAnswer {
        let headers = [("content-type", &b"text/plain"[..])];
        let fields = FieldBlock::build(RequestFields::default(), headers).unwrap();
        let leaf = ResponseLeaf {
            origin: self.members.membership.origin().clone(),
            sequence: self.sequence,
            index: 0,
            time_ms: self.sequence,
            kind: LeafKind::App,
            key: request.key_hash().unwrap(),
            request: Digest::of(b"request"),
            status: 200,
            fields: fields.digest(),
            content_length: 0,
            content: Digest::of(b""),
            state: None,
        };
        SettledAnswer {
            request_id: request.id(),
            key_hash: request.key_hash().unwrap(),
            verdict: Verdict::Call {
                ordinal: self.ordinal,
            },
            gateway: ReplicaId(0),
            expires: UnixMillis(self.sequence + 1000),
            answer: Answer {
                leaf: Bytes::from(leaf.to_text()),
                request_fields: Vec::new(),
                fields: Bytes::from(fields.to_text()),
                content: Bytes::new(),
            },
        }
    }

    fn batch_leaf(&self, batch: Digest) -> BatchLeaf {
        BatchLeaf {
            origin: self.members.membership.origin().clone(),
            sequence: self.sequence,
            time_ms: self.sequence,
            batch,
            leaves: 1,
            duplicates: 0,
            resolved: Vec::new(),
            middleware: None,
        }
    }

    fn certificate(&self) -> Certificate {
        let checkpoint = Checkpoint {
            origin: self.members.membership.origin().clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        let keys = (0..3).zip(&self.members.keys);
        let cosignatures = keys.map(|(id, keys)| {
            (
                ReplicaId(id),
                Cosignature::cosign(&keys.cosigner, &checkpoint, 1),
            )
        });
        Certificate {
            sequence: Sequence(self.sequence),
            size: checkpoint.size,
            root: checkpoint.root,
            cosignatures: cosignatures.collect(),
        }
    }
}

fn request(number: u64) -> Request {
    Request {
        method: "POST".to_owned(),
        target: format!("/{number}"),
        headers: Vec::new(),
        body: Bytes::new(),
        key: format!("key-{number}"),
        key_source: KeySource::Client,
    }
}

fn append(ledger: &Ledger, chain: &mut Chain, count: usize) {
    for _ in 0..count {
        let (settlement, certificate) = chain.next();
        ledger.append(&[settlement], &[certificate]).unwrap();
    }
}

#[test]
fn answers_are_found_by_request_and_proved() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let ledger = chain.open(&directory.path().join("ledger.redb")).unwrap();
    append(&ledger, &mut chain, 20);
    let wanted = request(7);
    let key_hash = wanted.key_hash().unwrap();
    let certified = ledger
        .answer_of_request(&key_hash, wanted.id())
        .unwrap()
        .unwrap();
    let checkpoint = &certified.proof.note.checkpoint;
    let leaf = leaf_hash(&certified.answer.leaf);
    let (position, path) = (certified.position, &certified.proof.path);
    assert_eq!((position, checkpoint.size), (12, 40));
    assert!(verify_inclusion(
        leaf,
        position,
        checkpoint.size,
        path,
        checkpoint.root
    ));
    assert_eq!(certified.proof.note.signatures.len(), 1 + 3);
    assert_eq!(ledger.answer_of_key(&key_hash).unwrap(), Some(certified));
    let unknown = RequestId(Digest::of(b"unknown"));
    assert_eq!(ledger.answer_of_request(&key_hash, unknown).unwrap(), None);
    let tile = ledger.tile(Tile::new(0, 0, 40).unwrap()).unwrap().unwrap();
    assert_eq!(tile[12 * 32..13 * 32], leaf.as_bytes()[..]);
    assert_eq!(ledger.tile(Tile::new(0, 0, 41).unwrap()).unwrap(), None);
}

#[test]
fn history_returns_the_calls_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let ledger = chain.open(&directory.path().join("ledger.redb")).unwrap();
    append(&ledger, &mut chain, 5);
    let calls = ledger.calls_from(Sequence(3), 2).unwrap();
    let targets: Vec<_> = calls
        .iter()
        .map(|call| &call.items[0].request.target)
        .collect();
    assert_eq!(targets, ["/3", "/4"]);
    assert!(ledger.calls_from(Sequence(6), 2).unwrap().is_empty());
}

/// A copy of the file of a running process is what a power cut leaves.
#[test]
fn after_a_crash_everything_durable_is_there_and_the_rest_can_follow_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let (path, copy) = (
        directory.path().join("a.redb"),
        directory.path().join("b.redb"),
    );
    let ledger = chain.open(&path).unwrap();
    append(&ledger, &mut chain, 8);
    ledger.make_durable(Some(Sequence(8))).unwrap();
    let (last, certificate) = chain.next();
    ledger
        .append(
            std::slice::from_ref(&last),
            std::slice::from_ref(&certificate),
        )
        .unwrap();
    std::fs::copy(&path, &copy).unwrap();
    let found = chain.open(&copy).unwrap();
    let state = found.recovered().unwrap();
    assert_eq!(
        (state.sequence, state.ordinal, state.keys.len()),
        (Sequence(8), 8, 8)
    );
    assert_eq!(state.stable.unwrap().certificate.sequence, Sequence(8));
    found.append(&[last], &[certificate]).unwrap();
    assert_eq!(found.head(), ledger.head());
    let digests = |ledger: &Ledger| ledger.entry_digests(Sequence(1), 100).unwrap();
    assert_eq!(digests(&found), digests(&ledger));
}

#[test]
fn keys_are_forgotten_once_agreed_time_has_passed_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let ledger = chain.open(&directory.path().join("ledger.redb")).unwrap();
    append(&ledger, &mut chain, 1);
    let (mut late, certificate) = chain.next();
    late.time = UnixMillis(5000);
    ledger.append(&[late], &[certificate]).unwrap();
    let first = request(1).key_hash().unwrap();
    assert_eq!(ledger.answer_of_key(&first).unwrap(), None);
    assert!(ledger.recovered().unwrap().keys.is_empty());
}

#[test]
fn gaps_and_false_roots_are_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let ledger = chain.open(&directory.path().join("ledger.redb")).unwrap();
    let (first, _) = chain.next();
    let (second, _) = chain.next();
    let gap = ledger.append(std::slice::from_ref(&second), &[]);
    assert!(matches!(gap, Err(LedgerError::Gap { last: 0, found: 2 })));
    let false_root = Settlement {
        root: Digest::of(b"other"),
        ..second
    };
    let refused = ledger.append(&[first.clone(), false_root], &[]);
    assert!(matches!(refused, Err(LedgerError::Damaged { .. })));
    assert_eq!(ledger.tip().sequence, Sequence(0));
    ledger.append(&[first], &[]).unwrap();
}

#[test]
fn foreign_and_damaged_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::new(directory.path());
    let path = directory.path().join("ledger.redb");
    let membership = Arc::clone(&chain.members.membership);
    drop(chain.open(&path).unwrap());
    let other = Ledger::open(&path, membership, ReplicaId(1));
    let error = other.err().unwrap();
    assert!(matches!(error, LedgerError::Foreign { .. }));
    assert!(
        error.to_string().contains("replica 0 of echo.local"),
        "{error}"
    );
    std::fs::write(&path, b"this is no ledger at all").unwrap();
    assert!(matches!(
        chain.open(&path).err().unwrap(),
        LedgerError::Damaged { .. }
    ));
}

#[test]
fn without_bodies_everything_is_proved_and_nothing_is_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let path = directory.path().join("ledger.redb");
    let ledger = chain.open(&path).unwrap();
    append(&ledger, &mut chain, 20);
    let digests = ledger.entry_digests(Sequence(1), 100).unwrap();
    let dispensable = |upto, before| Dispensable {
        upto: Sequence(upto),
        before: UnixMillis(before),
        interval: 8,
    };
    // Neither what is covered but young, nor what is old but not covered.
    ledger.prune(dispensable(20, 5)).unwrap();
    assert_eq!(ledger.first_bodies(), Sequence(5));
    ledger.prune(dispensable(12, 100)).unwrap();
    assert_eq!(ledger.first_bodies(), Sequence(13));
    ledger.make_durable(Some(Sequence(16))).unwrap();
    drop(ledger);
    let ledger = chain.open(&path).unwrap();
    assert_eq!(ledger.first_bodies(), Sequence(13));
    assert_eq!(ledger.entry_digests(Sequence(1), 100).unwrap(), digests);
    let pruned = |result: Result<(), LedgerError>| {
        matches!(
            result,
            Err(LedgerError::Pruned {
                asked: 12,
                first: 13
            })
        )
    };
    assert!(pruned(ledger.calls_from(Sequence(12), 1).map(drop)));
    assert!(pruned(ledger.supply(Sequence(12)).map(drop)));
    assert_eq!(ledger.calls_from(Sequence(13), 100).unwrap().len(), 8);
    let answer = ledger.answer_at(Sequence(3), 0).unwrap().unwrap();
    assert!(answer.fields.is_empty() && ledger.prove(&answer, 4).unwrap().is_some());
    let (bare, certificate) = ledger
        .supply_bare(Sequence(1), Sequence(8))
        .unwrap()
        .unwrap();
    assert_eq!((bare.len(), certificate.sequence), (8, Sequence(8)));
    // Certificates between stable checkpoints are gone with the bodies.
    assert_eq!(ledger.supply_bare(Sequence(1), Sequence(9)).unwrap(), None);
    assert_eq!(ledger.kept(Sequence(1), 100).unwrap().len(), 20);
}

#[test]
fn a_call_is_found_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let ledger = chain.open(&directory.path().join("ledger.redb")).unwrap();
    assert_eq!(ledger.batch_of_call(1).unwrap(), Sequence(1));
    append(&ledger, &mut chain, 20);
    for ordinal in [1, 7, 20, 21] {
        assert_eq!(ledger.batch_of_call(ordinal).unwrap(), Sequence(ordinal));
    }
}

#[test]
fn what_comes_without_bodies_is_the_same_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let whole = chain.open(&directory.path().join("a.redb")).unwrap();
    let path = directory.path().join("b.redb");
    let bare = chain.open(&path).unwrap();
    let made: Vec<_> = (0..8).map(|_| chain.next()).collect();
    for (settlement, certificate) in &made {
        let certificate = std::slice::from_ref(certificate);
        whole
            .append(std::slice::from_ref(settlement), certificate)
            .unwrap();
    }
    let stripped: Vec<Settlement> = made
        .iter()
        .map(|(settlement, _)| Settlement {
            requests: Vec::new(),
            ..settlement.clone()
        })
        .collect();
    bare.append_bare(&stripped, &made[7].1).unwrap();
    drop(bare);
    let bare = chain.open(&path).unwrap();
    assert_eq!(bare.first_bodies(), Sequence(9));
    assert_eq!(bare.head(), whole.head());
    let digests = |ledger: &Ledger| ledger.entry_digests(Sequence(1), 100).unwrap();
    assert_eq!(digests(&bare), digests(&whole));
    let state = bare.recovered().unwrap();
    assert_eq!((state.sequence, state.keys.len()), (Sequence(8), 8));
    assert_eq!(state.stable.unwrap().certificate.sequence, Sequence(8));
}

/// Whatever rots on a disk: what a replica reads then is what it wrote, or it says that it cannot.
#[test]
fn rot_is_told_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(directory.path());
    let path = directory.path().join("ledger.redb");
    let ledger = chain.open(&path).unwrap();
    append(&ledger, &mut chain, 40);
    ledger.make_durable(Some(Sequence(40))).unwrap();
    let written = contents(&ledger).unwrap();
    drop(ledger);
    let bytes = std::fs::read(&path).unwrap();
    let used = (0..bytes.len()).filter(|place| bytes[*place] != 0);
    let mut told = 0;
    for place in used.step_by(1499) {
        let mut rotten = bytes.clone();
        rotten[place] ^= 0x55;
        std::fs::write(&path, &rotten).unwrap();
        match chain.open(&path).and_then(|ledger| contents(&ledger)) {
            Ok(read) => assert_eq!(read, written, "byte {place}"),
            Err(LedgerError::Damaged { .. }) => told += 1,
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
    assert!(told > 20, "{told} were told");
}

/// All that a replica tells others of what it holds.
fn contents(ledger: &Ledger) -> Result<Vec<String>, LedgerError> {
    let answers = (1..=40).map(|number| {
        let wanted = request(number);
        let key_hash = wanted.key_hash().unwrap();
        let answer = ledger.answer_of_request(&key_hash, wanted.id())?;
        Ok(format!("{answer:?}"))
    });
    let mut all = answers.collect::<Result<Vec<_>, LedgerError>>()?;
    all.push(format!("{:?}", ledger.recovered()?));
    all.push(format!("{:?}", ledger.entry_digests(Sequence(1), 100)?));
    Ok(all)
}
