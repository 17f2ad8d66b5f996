//! A gateway's word for a request: what it is ordered on, and who is charged for its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use byzantine_proof::ReplicaId;

use crate::batch::Admission;
use crate::signed::SignedMessage;
use crate::types::Sequence;

/// A gateway's word for a request.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// The last sequence whose keys the gateway knew.
    pub(crate) as_of: Sequence,
    /// What shows it to others; missing in an own word until it is sealed.
    pub(crate) signed: Option<Arc<SignedMessage>>,
}

/// Who vouched for a request: the last word of each.
pub(crate) type Admissions = BTreeMap<ReplicaId, Word>;

/// Keeps the later of two words of a gateway; `false` when that was here already.
pub(crate) fn keep_later(admissions: &mut Admissions, gateway: ReplicaId, word: Word) -> bool {
    let rank = |word: &Word| (word.as_of, word.signed.is_some());
    let before = admissions.get(&gateway).map(rank);
    let news = before < Some(rank(&word));
    if news {
        admissions.insert(gateway, word);
    }
    news
}

/// Whether a gateway's word is here, or a later one of its.
pub(crate) fn shows(admissions: &Admissions, admission: Admission) -> bool {
    let word = admissions.get(&admission.gateway);
    word.is_some_and(|word| word.as_of >= admission.as_of)
}
