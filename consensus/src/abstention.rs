//! Abstaining: a replica whose votes of the past are lost must not vote where it may have voted.
//! (docs/protocol.md, "Restart")
//!
//! From q others it learns how far it can have got: the highest sequence that enough of them know,
//! and a window above it; and the view after the highest that enough of them suspect. Until the
//! stable checkpoint is past the one, and its view is the other, it sends no vote of any kind.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::effect::{Effects, Notice};
use crate::message::{Message, ResultVote, StatusReport, Subject, Suspicion};
use crate::record::Record;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::types::{Sequence, View};

/// Until when a replica abstains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Abstention {
    /// Unknown, until q others have said where they stand.
    Unbounded,
    /// Until both are reached.
    Until {
        /// The stable checkpoint must be at or above this sequence.
        sequence: Sequence,
        /// The view must be this one or a later one.
        view: View,
    },
}

impl Replica {
    /// Until when this replica abstains, if it does.
    pub const fn abstention(&self) -> Option<Abstention> {
        self.abstention
    }

    /// Learns the bound, and ends the abstention once it is reached.
    pub(crate) fn review_abstention(&mut self, effects: &mut Effects) {
        if self.abstention == Some(Abstention::Unbounded) {
            self.abstention = self.bound().or(self.abstention);
            if let Some(bound @ Abstention::Until { .. }) = self.abstention {
                effects.records.push(Record::Abstaining(bound));
            }
        }
        let Some(Abstention::Until { sequence, view }) = self.abstention else {
            return;
        };
        // Between two views it has no VIEW-CHANGE to say, and its journal none to come back by.
        let within = self.view >= view && !self.changing;
        let reached = self.stable >= sequence && within;
        if reached || is_on(Bug::ShortAbstention) {
            self.abstention = None;
            effects.notices.push(Notice::VotesAgain { sequence });
            self.say_what_ran(effects);
        } else if self.stable >= sequence {
            self.suspect_for_memory(effects);
        }
    }

    /// What ran above the bound was not spoken of, and would not be before a restart. A view change
    /// repairs the order where that is needed; results have no other way, and it may take all.
    fn say_what_ran(&mut self, effects: &mut Effects) {
        for (sequence, slot) in &mut self.slots {
            slot.attest_sent = false;
            let ran = slot.run.as_ref().filter(|run| run.outcomes.is_some());
            let unsaid = ran.filter(|_| !slot.results.contains_key(&self.config.replica));
            effects.messages.extend(unsaid.map(|run| {
                let (sequence, leaves) = (*sequence, run.own_leaves.clone());
                Message::Result(ResultVote { sequence, leaves })
            }));
        }
        let above: Vec<Sequence> = self.slots.keys().copied().collect();
        for sequence in above {
            self.attest(sequence, effects);
        }
    }

    /// All that is missing is a view that one correct replica at least wants, and that too few may
    /// come to want: this one's word may be what it takes. A suspicion says nothing of what is
    /// ordered, so it contradicts no vote that was forgotten.
    fn suspect_for_memory(&mut self, effects: &mut Effects) {
        if self.changing || self.suspected >= Some(self.view) {
            return;
        }
        let (view, subject) = (self.view, Subject::Abstention);
        (self.suspected, self.suspected_at) = (Some(view), self.now.monotonic);
        let reason = "abstention";
        effects.notices.push(Notice::Suspected { view, reason });
        let suspicion = Suspicion { view, subject };
        effects.messages.push(Message::Suspect(suspicion));
    }

    /// What this replica promised rested on the word of q: its VIEW-CHANGE to v+1 on q SUSPECT(v),
    /// its watermark on q ATTESTs. q−1 of these were others, f−1 of whom may lie by now, and n−1−q
    /// say nothing here: so 2q−n−f+1 ≥ 2 of those who report are correct, and as far at least. The
    /// highest report but for one less than that will do; and one alone binds nobody, be it a
    /// liar's or that of one who suspects a primary whom all others are content with.
    fn bound(&self) -> Option<Abstention> {
        let (n, f, q) = (self.config.membership.n(), self.faults(), self.quorum());
        let witnesses = (2 * q + 1).saturating_sub(n + f).max(1);
        let highest = highest_but(witnesses - 1, self.peers.values().map(known))?;
        let view = highest_but(witnesses - 1, self.peers.values().map(after_suspected))?;
        let sequence = Sequence(highest.0.saturating_add(self.window()));
        let enough = self.peers.len() >= q;
        enough.then_some(Abstention::Until { sequence, view })
    }

    /// Takes back every vote of this tick.
    pub(crate) fn withhold_votes(&self, effects: &mut Effects) {
        if self.abstention.is_some() && !is_on(Bug::AbstainerVotes) {
            let harmless = |message: &Message| match message {
                Message::Suspect(suspicion) => suspicion.subject == Subject::Abstention,
                Message::Status(_) | Message::Requests { .. } => true,
                _ => false,
            };
            effects.messages.retain(harmless);
        }
    }

    /// Up to where this replica needs the order to move before it may vote again.
    pub(crate) fn awaited(&self) -> Sequence {
        let interval = self.config.checkpoint_interval;
        match self.abstention {
            Some(Abstention::Until { sequence, .. }) => {
                Sequence(sequence.0.div_ceil(interval).saturating_mul(interval))
            }
            _ => Sequence(0),
        }
    }
}

/// The highest when so many that are as high or higher are passed over.
fn highest_but<T: Ord>(passed: usize, values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.into_iter().rev().nth(passed)
}

fn known(report: &StatusReport) -> Sequence {
    let sequences = [
        report.stable,
        report.committed,
        report.executed,
        report.certified,
    ];
    sequences.into_iter().max().unwrap_or_default()
}

fn after_suspected(report: &StatusReport) -> View {
    let suspected = report.suspected.map(|view| View(view.0.saturating_add(1)));
    suspected.unwrap_or_default().max(report.view)
}
