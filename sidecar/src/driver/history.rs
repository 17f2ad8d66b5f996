//! All app calls: those in the ledger, and those handed to the executor that are not there yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byzantine_consensus::{Execution, Sequence, Verdict};

use crate::ledger::{Ledger, LedgerError};
use crate::submission::History;

/// The calls of one replica's app, in order. The driver adds to it; its length is bounded by the
/// core's window.
pub struct CallHistory {
    ledger: Arc<Ledger>,
    recent: Mutex<VecDeque<Execution>>,
}

impl CallHistory {
    /// A history that begins with what is in the ledger.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        let recent = Mutex::default();
        Self { ledger, recent }
    }

    /// Notes what is handed to the executor.
    pub(super) fn dispatched(&self, execution: &Execution) {
        let mut calls = execution.clone();
        let called = |verdict: &Verdict| matches!(verdict, Verdict::Call { .. });
        calls.items.retain(|item| called(&item.verdict));
        if !calls.items.is_empty() {
            self.lock().push_back(calls);
        }
    }

    /// Forgets what the ledger has now.
    pub(super) fn settled(&self, sequence: Sequence) {
        let mut recent = self.lock();
        while recent
            .front()
            .is_some_and(|first| first.sequence <= sequence)
        {
            recent.pop_front();
        }
    }

    /// Forgets all that is not in the ledger: it will be handed over anew.
    pub(super) fn start_over(&self) {
        self.lock().clear();
    }

    /// Calls handed over and not in the ledger yet.
    pub(super) fn unsettled(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Execution>> {
        // Each change is a single push or pop.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History for CallHistory {
    fn calls_from(&self, sequence: Sequence, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        // In this order: what leaves the recent ones is in the ledger before it does.
        let recent = self.lock().clone();
        let mut calls = self.ledger.calls_from(sequence, limit)?;
        let last = calls.last().map(|call| call.sequence);
        let later = |call: &Execution| call.sequence >= sequence && Some(call.sequence) > last;
        let room = limit.saturating_sub(calls.len());
        calls.extend(recent.into_iter().filter(later).take(room));
        Ok(calls)
    }

    fn batch_of_call(&self, ordinal: u64) -> Result<Sequence, LedgerError> {
        self.ledger.batch_of_call(ordinal)
    }
}
