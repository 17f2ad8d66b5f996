//! What the sidecar's ledger promises, in memory: certified sequences, durable up to the last
//! stable checkpoint, and proofs out of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use byzantine_consensus::limits::{FETCH_ENTRIES, SUPPLY_BYTES};
use byzantine_consensus::{
    Answer, Certificate, CheckpointCertificate, CommitCertificate, Digest, Entry, LedgerState,
    RememberedKey, RequestId, Sequence, Settlement, Verdict,
};
use byzantine_proof::tree::{Frontier, inclusion_path, leaf_hash};

/// The settled sequences of one replica.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: Vec<Arc<Settlement>>,
    certificates: BTreeMap<Sequence, Certificate>,
    nodes: HashMap<(u8, u64), Digest>,
    frontier: Frontier,
    /// The newest answer to each request: its place, and until when it is remembered.
    answered: HashMap<RequestId, (Sequence, usize, u64)>,
    /// How many entries survive a crash.
    durable: usize,
    stable: Option<Sequence>,
}

/// An answer with its proof, as a gateway hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The answer.
    pub answer: Answer,
    /// Its leaf's place in the tree.
    pub position: u64,
    /// The path from the leaf to the root.
    pub path: Vec<Digest>,
    /// The cosignatures over that root.
    pub certificate: Certificate,
}

impl Ledger {
    /// Appends a settled sequence.
    ///
    /// # Errors
    /// What does not fit: a gap, or a root that is not that of the leaves.
    pub fn append(&mut self, settlement: Settlement) -> Result<(), String> {
        if settlement.sequence.0 != self.entries.len() as u64 + 1 {
            return Err(format!("sequence {} leaves a gap", settlement.sequence));
        }
        for (index, settled) in settlement.answers.iter().enumerate() {
            // Who met a limit may ask again, and is then told what became of it.
            if !matches!(settled.verdict, Verdict::Limit(_)) {
                let place = (settlement.sequence, index, settled.expires.0);
                self.answered.insert(settled.request_id, place);
            }
        }
        self.append_leaves(&settlement);
        let reached = (self.frontier.size(), self.frontier.root());
        if reached != (settlement.size, settlement.root) {
            let sequence = settlement.sequence;
            return Err(format!(
                "the root of sequence {sequence} is not its leaves'"
            ));
        }
        self.entries.push(Arc::new(settlement));
        Ok(())
    }

    fn append_leaves(&mut self, settlement: &Settlement) {
        let answers = settlement.answers.iter();
        let leaves = answers.map(|settled| settled.answer.leaf_hash());
        for leaf in leaves.chain([leaf_hash(&settlement.batch_leaf)]) {
            for node in self.frontier.append(leaf) {
                self.nodes.insert((node.level, node.index), node.hash);
            }
        }
    }

    /// Keeps a certificate.
    pub fn certify(&mut self, certificate: Certificate) {
        self.certificates.insert(certificate.sequence, certificate);
    }

    /// Makes everything durable; `stable` is the newest stable checkpoint.
    pub fn make_durable(&mut self, stable: Sequence) {
        self.durable = self.entries.len();
        self.stable = Some(stable);
    }

    /// A crash: what was not durable is gone.
    pub fn crash(&mut self) {
        if self.durable == self.entries.len() {
            return;
        }
        let kept: Vec<Arc<Settlement>> = self.entries.drain(..).take(self.durable).collect();
        let (durable, stable) = (self.durable, self.stable);
        let last = Sequence(durable as u64);
        let mut certificates = std::mem::take(&mut self.certificates);
        certificates.retain(|sequence, _| *sequence <= last);
        *self = Self::default();
        for settlement in kept {
            let appended = self.append(Settlement::clone(&settlement));
            appended.expect("what was appended before fits again");
        }
        (self.certificates, self.durable, self.stable) = (certificates, durable, stable);
    }

    /// All entries.
    pub fn entries(&self) -> &[Arc<Settlement>] {
        &self.entries
    }

    /// The last sequence.
    pub fn last(&self) -> Sequence {
        Sequence(self.entries.len() as u64)
    }

    /// What the core takes up at its start.
    pub fn state(&self) -> LedgerState {
        let mut state = LedgerState {
            frontier: self.frontier.clone(),
            sequence: self.last(),
            certified: self.last(),
            stable: self.stable.and_then(|sequence| self.checkpoint(sequence)),
            ..LedgerState::default()
        };
        if let Some(last) = self.entries.last() {
            (state.time, state.ordinal) = (last.time, last.ordinal);
            state.forgotten = last.forgotten;
        }
        let keys = self.entries.iter().flat_map(|entry| remembered(entry));
        state.keys = keys.filter(|key| key.expires >= state.time).collect();
        state
    }

    fn checkpoint(&self, sequence: Sequence) -> Option<CheckpointCertificate> {
        let certificate = self.certificates.get(&sequence)?.clone();
        let entry = self.entry(sequence)?;
        let node = |level, index| self.nodes.get(&(level, index)).copied();
        Some(CheckpointCertificate {
            batch_leaf: String::from_utf8(entry.batch_leaf.to_vec()).ok()?,
            path: inclusion_path(entry.size.checked_sub(1)?, entry.size, node)?,
            certificate,
        })
    }

    fn entry(&self, sequence: Sequence) -> Option<&Arc<Settlement>> {
        let place = sequence.0.checked_sub(1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// Certified entries from a sequence on, as a peer that lags is given them.
    pub fn supply(&self, first: Sequence) -> Vec<Entry> {
        let (mut supplied, mut bytes) = (Vec::new(), 0);
        for number in first.0..first.0.saturating_add(FETCH_ENTRIES) {
            let Some(entry) = self.supplied(Sequence(number)) else {
                break;
            };
            bytes +=
                entry.batch.len() + entry.requests.iter().map(bytes::Bytes::len).sum::<usize>();
            if bytes > SUPPLY_BYTES && !supplied.is_empty() {
                break;
            }
            supplied.push(entry);
        }
        supplied
    }

    fn supplied(&self, sequence: Sequence) -> Option<Entry> {
        let settlement = self.entry(sequence)?;
        let (_, certificate) = self.certificates.range(sequence..).next()?;
        Some(Entry {
            batch: settlement.batch.clone(),
            requests: settlement.requests.clone(),
            commit: CommitCertificate::decode(&settlement.commit_certificate)?,
            answers: settlement.answers.clone(),
            certificate: certificate.clone(),
        })
    }

    /// The answer to a request with its proof, if it is settled and certified, and not forgotten.
    pub fn prove(&self, id: &RequestId) -> Option<Proven> {
        let (sequence, index, expires) = *self.answered.get(id)?;
        let time = self.entries.last()?.time.0;
        let remembered = expires >= time;
        remembered.then(|| self.prove_at(sequence, index)).flatten()
    }

    /// An answer by its place, with its proof, if it is settled and certified.
    pub fn prove_at(&self, sequence: Sequence, index: usize) -> Option<Proven> {
        let before = usize::try_from(sequence.0.checked_sub(1)?).ok()?;
        let entry = self.entries.get(before)?;
        let position = entry.size_before + index as u64;
        let (_, certificate) = self.certificates.range(entry.sequence..).next()?;
        let node = |level, index| self.nodes.get(&(level, index)).copied();
        Some(Proven {
            answer: entry.answers.get(index)?.answer.clone(),
            position,
            path: inclusion_path(position, certificate.size, node)?,
            certificate: certificate.clone(),
        })
    }
}

fn remembered(settlement: &Settlement) -> impl Iterator<Item = RememberedKey> + '_ {
    let answers = (0..).zip(&settlement.answers);
    let calls = answers.filter(|(_, settled)| matches!(settled.verdict, Verdict::Call { .. }));
    calls.map(|(index, settled)| RememberedKey {
        key_hash: settled.key_hash,
        request_id: settled.request_id,
        sequence: settlement.sequence,
        index,
        expires: settled.expires,
        gateway: settled.gateway,
    })
}
