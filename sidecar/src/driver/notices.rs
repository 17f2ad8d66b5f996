//! What the core noticed, as metrics, observations and log lines. A replica is named only where
//! the notice is proof or this replica's own measurement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use byzantine_consensus::{Answer, Notice, Rejection, Sequence, View};
use byzantine_proof::ReplicaId;

use crate::difference::{Part, difference};
use crate::status::{Differs, Divergence, ObservationKind};
use crate::telemetry::{Metrics, PHASES, Sighting, Telemetry};

/// Sequences whose phases are timed; more than the core's window.
const TIMED: usize = 1024;

/// Turns notices into what people see.
pub(super) struct Notices {
    telemetry: Arc<Telemetry>,
    own: ReplicaId,
    members: usize,
    proposed: BTreeMap<Sequence, Instant>,
    left_view: Option<Instant>,
}

impl Notices {
    pub(super) fn new(telemetry: Arc<Telemetry>, own: ReplicaId, members: usize) -> Self {
        Self {
            telemetry,
            own,
            members,
            proposed: BTreeMap::new(),
            left_view: None,
        }
    }

    /// Takes one notice; tells the sequence when it was this replica's answer that was wrong.
    pub(super) fn take(&mut self, notice: Notice) -> Option<Sequence> {
        match notice {
            Notice::Rejected {
                replica,
                rejection,
                kind,
            } => {
                self.rejected(replica, rejection, kind);
            }
            Notice::Equivocated { replica, sequence } => self.equivocated(replica, sequence),
            Notice::Differs {
                replica,
                sequence,
                index,
                request,
                ours,
                theirs,
            } => {
                self.differs(replica, (sequence, index), request, (&ours, &theirs));
            }
            Notice::Outvoted {
                replica,
                sequence,
                index,
            } => {
                self.outvoted(replica, sequence, index);
                return (replica == self.own).then_some(sequence);
            }
            Notice::Suspected { view, reason } => {
                tracing::info!(%view, reason, "suspecting the primary: a clock ran out");
            }
            Notice::ViewChangeStarted { view, reason } => self.leaving(view, reason),
            Notice::ViewEntered(view) => self.entered(view),
            Notice::Proposed { sequence, requests } => {
                let size = u32::try_from(requests).unwrap_or(u32::MAX);
                self.telemetry.metrics().batch_size.observe(f64::from(size));
                self.begin(sequence);
            }
            Notice::Phase { phase, sequence } => self.phase(phase, sequence),
            Notice::Promised { sequence } => {
                tracing::warn!(%sequence, "the replicas' answers differ: waiting for a RESOLVE");
            }
            Notice::Resolved { sequence, verdicts } => self.resolved(sequence, verdicts),
            Notice::VotesAgain { sequence } => {
                tracing::info!(%sequence, "this replica votes again, above this sequence");
            }
            Notice::CaughtUp(sequence) => {
                tracing::debug!(%sequence, "took a sequence from a peer's ledger");
            }
        }
        None
    }

    fn rejected(&self, replica: ReplicaId, rejection: Rejection, message: &'static str) {
        let metrics = self.telemetry.metrics();
        metrics
            .rejections
            .with_label_values(&[rejection.label()])
            .inc();
        self.telemetry.count(|counters| counters.rejections += 1);
        if !rejection.convicts() || replica == self.own {
            return;
        }
        let kind = match rejection {
            Rejection::Signature | Rejection::Cosignature => ObservationKind::BadSignature,
            Rejection::Equivocation => ObservationKind::Equivocation,
            _ => ObservationKind::InvalidMessage,
        };
        self.telemetry.observe(Sighting {
            kind,
            replica: Some(replica.0),
            sequence: None,
            detail: format!("replica {replica} sent {rejection} ({message})"),
            next_step: "no correct replica does this: inspect that replica's host and program, \
                        and replace it if it goes on",
        });
    }

    fn equivocated(&self, replica: ReplicaId, sequence: Sequence) {
        Metrics::count_for(&self.telemetry.metrics().equivocations, replica);
        self.telemetry.observe(Sighting {
            kind: ObservationKind::Equivocation,
            replica: Some(replica.0),
            sequence: Some(sequence.0),
            detail: format!("replica {replica} signed two different votes for sequence {sequence}"),
            next_step: "its key is used by an attacker or by two processes: take it down and \
                        inspect its host",
        });
    }

    fn differs(
        &self,
        peer: ReplicaId,
        (sequence, index): (Sequence, u32),
        request: String,
        (ours, theirs): (&Answer, &Answer),
    ) {
        let Some(difference) = difference(ours, theirs) else {
            return;
        };
        let differs = Differs {
            part: difference.part.as_str().to_owned(),
            name: difference.part.name().map(str::to_owned),
            pointer: place(&difference.part),
            ours: difference.ours,
            theirs: difference.theirs,
        };
        self.telemetry.diverged(Divergence {
            replica: peer.0,
            sequence: sequence.0,
            index,
            request,
            settled: false,
            differs,
        });
    }

    fn outvoted(&self, replica: ReplicaId, sequence: Sequence, index: u32) {
        Metrics::count_for(&self.telemetry.metrics().divergences, replica);
        self.telemetry
            .outvoted(replica.0, self.own.0, sequence.0, index);
        let whose = if replica == self.own {
            "this replica's own"
        } else {
            "its"
        };
        self.telemetry.observe(Sighting {
            kind: ObservationKind::WrongAnswer,
            replica: Some(replica.0),
            sequence: Some(sequence.0),
            detail: format!(
                "{whose} answer to sequence {sequence}, request {index}, is not the one that a \
                 quorum gave (replica {replica})"
            ),
            next_step: "if it is always the same replica, inspect its app and host; if it \
                        changes, the app is not deterministic: run `byz doctor`",
        });
    }

    fn resolved(&self, sequence: Sequence, verdicts: usize) {
        let requests = u64::try_from(verdicts).unwrap_or(u64::MAX);
        self.telemetry.metrics().verdicts.inc_by(requests);
        if verdicts == 0 {
            return;
        }
        self.telemetry.observe(Sighting {
            kind: ObservationKind::NoQuorumAnswer,
            replica: None,
            sequence: Some(sequence.0),
            detail: format!(
                "{verdicts} requests of sequence {sequence} were answered by a certified 502: no \
                 quorum of replicas gave one answer"
            ),
            next_step: "the app is not deterministic: see what differed below, and run `byz \
                        doctor` on its command",
        });
    }

    fn leaving(&mut self, view: View, reason: &'static str) {
        self.left_view = Some(Instant::now());
        let changes = &self.telemetry.metrics().view_changes;
        changes.with_label_values(&[reason]).inc();
        tracing::info!(%view, reason, "changing the view");
    }

    fn entered(&mut self, view: View) {
        if let Some(left) = self.left_view.take() {
            let duration = &self.telemetry.metrics().view_change_duration;
            duration.observe(left.elapsed().as_secs_f64());
        }
        self.telemetry.count(|counters| counters.view_changes += 1);
        let primary = view.primary(self.members);
        tracing::info!(%view, %primary, "entered a view");
        self.telemetry.observe(Sighting {
            kind: ObservationKind::ViewChange,
            replica: None,
            sequence: None,
            detail: format!("view {view} began; replica {primary} is primary"),
            next_step: "nothing, if it stays: a quorum found the last primary too slow or gone; \
                        if views keep changing, look at the network between the replicas",
        });
    }

    /// The primary's clock starts with its proposal, a backup's with its PREPARE.
    fn begin(&mut self, sequence: Sequence) {
        if self.proposed.len() == TIMED {
            self.proposed.pop_first();
        }
        self.proposed.entry(sequence).or_insert_with(Instant::now);
    }

    fn phase(&mut self, phase: &'static str, sequence: Sequence) {
        if phase == "pre_prepare" {
            self.begin(sequence);
        }
        let since = self.proposed.get(&sequence);
        if let Some(since) = since.filter(|_| PHASES.contains(&phase)) {
            let latency = &self.telemetry.metrics().quorum_latency;
            let seconds = since.elapsed().as_secs_f64();
            latency.with_label_values(&[phase]).observe(seconds);
        }
        if phase == "attest" {
            self.proposed = self.proposed.split_off(&sequence.next());
        }
    }
}

/// The JSON pointer, or the range of bytes.
fn place(part: &Part) -> Option<String> {
    match part {
        Part::Bytes { from, to } => Some(format!("bytes {from} to {to}")),
        part => part.pointer().map(str::to_owned),
    }
}
