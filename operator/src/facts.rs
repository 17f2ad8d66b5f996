//! What f+1 equal reports say, so that at least one correct replica says it.
//!
//! Nothing that moves a pod or names a replica in the status rests on less.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{Divergence, PeerReport, Report};

/// What the reports of the sidecars amount to.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    reports: &'a BTreeMap<u32, Report>,
    faults: u32,
    lag: u64,
}

impl<'a> Facts<'a> {
    /// Reports by the replica that was asked, f, and how many sequences behind is still caught up.
    pub fn new(reports: &'a BTreeMap<u32, Report>, faults: u32, lag: u64) -> Self {
        Self {
            reports,
            faults,
            lag,
        }
    }

    /// View and primary.
    pub fn view(&self) -> Option<(u64, u32)> {
        let mut counts: BTreeMap<(u64, u32), u32> = BTreeMap::new();
        for report in self.members() {
            *counts.entry((report.view, report.primary)).or_default() += 1;
        }
        let enough = counts.into_iter().filter(|(_, count)| *count > self.faults);
        enough.map(|(view, _)| view).max()
    }

    /// Whether f+1 others have a link to the replica.
    pub fn participates(&self, ordinal: u32) -> bool {
        self.others_say(ordinal, |_, peer| peer.connected)
    }

    /// Whether f+1 others have a link to the replica and saw it at most one checkpoint behind.
    pub fn is_caught_up(&self, ordinal: u32) -> bool {
        let near = |report: &Report, peer: &PeerReport| {
            peer.connected
                && peer.executed_sequence.saturating_add(self.lag) >= report.executed_sequence
        };
        self.others_say(ordinal, near)
    }

    /// Replicas that provably signed two statements where one is allowed.
    pub fn convicted(&self) -> BTreeSet<u32> {
        self.named(|report| {
            let proofs = report.observations.iter();
            let proofs = proofs.filter(|observation| observation.kind == "equivocation");
            proofs
                .filter_map(|observation| observation.replica)
                .collect()
        })
    }

    /// Replicas whose apps answered differently from what was settled, within the last checkpoint
    /// interval: whoever has answered like the others since then is one of them again.
    pub fn diverged(&self) -> BTreeSet<u32> {
        self.named(|report| {
            let lately = |found: &&Divergence| {
                found.settled && found.sequence.saturating_add(self.lag) >= report.executed_sequence
            };
            let settled = report.divergences.iter().filter(lately);
            settled.map(|found| found.replica).collect()
        })
    }

    /// A request on which no quorum gave the same answer. What f+1 say was settled is not one:
    /// others may have noticed a difference later than that.
    pub fn unsettled(&self) -> Option<&'a str> {
        let open = self.differing(false);
        let settled = self.differing(true);
        let mut open = open
            .into_iter()
            .filter(|(place, _)| !settled.contains_key(place));
        open.next_back().map(|(_, request)| request)
    }

    /// Requests that f+1 say were answered differently, and that were settled or not.
    fn differing(&self, settled: bool) -> BTreeMap<(u64, u32), &'a str> {
        let mut counts: BTreeMap<(u64, u32), (u32, &'a str)> = BTreeMap::new();
        for report in self.members() {
            let found = report.divergences.iter();
            let found = found.filter(|found| found.settled == settled);
            let places: BTreeMap<_, _> = found.map(|found| (place(found), found)).collect();
            for (place, found) in places {
                let entry = counts.entry(place).or_insert((0, found.request.as_str()));
                entry.0 += 1;
            }
        }
        let enough = counts
            .into_iter()
            .filter(|(_, (count, _))| *count > self.faults);
        enough
            .map(|(place, (_, request))| (place, request))
            .collect()
    }

    /// What the replica says of itself; its own word only.
    pub fn own(&self, ordinal: u32) -> Option<&'a Report> {
        self.reports.get(&ordinal)
    }

    /// Reports of those that are members and speak of themselves.
    fn members(&self) -> impl Iterator<Item = &'a Report> + use<'a> {
        let own = self
            .reports
            .iter()
            .filter(|(ordinal, report)| **ordinal == report.replica);
        own.map(|(_, report)| report)
            .filter(|report| report.enrolment.is_none())
    }

    fn others_say(&self, ordinal: u32, says: impl Fn(&Report, &PeerReport) -> bool) -> bool {
        let others = self.members().filter(|report| report.replica != ordinal);
        let count = others
            .filter(|report| {
                let mut peers = report.peers.iter();
                peers.any(|peer| peer.replica == ordinal && says(report, peer))
            })
            .count();
        u32::try_from(count).unwrap_or(u32::MAX) > self.faults
    }

    fn named(&self, names: impl Fn(&Report) -> BTreeSet<u32>) -> BTreeSet<u32> {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for name in self.members().flat_map(names) {
            *counts.entry(name).or_default() += 1;
        }
        let enough = counts.into_iter().filter(|(_, count)| *count > self.faults);
        enough.map(|(name, _)| name).collect()
    }
}

fn place(divergence: &Divergence) -> (u64, u32) {
    (divergence.sequence, divergence.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Observation;

    fn report(replica: u32, view: u64, executed: u64) -> Report {
        let peer = |replica| PeerReport {
            replica,
            connected: true,
            executed_sequence: 100,
        };
        Report {
            replica,
            view,
            primary: u32::try_from(view % 4).unwrap(),
            executed_sequence: executed,
            peers: (0..4).filter(|other| *other != replica).map(peer).collect(),
            ..Report::default()
        }
    }

    fn reports() -> BTreeMap<u32, Report> {
        (0..4)
            .map(|replica| (replica, report(replica, 5, 100)))
            .collect()
    }

    #[test]
    fn one_liar_decides_nothing() {
        let mut reports = reports();
        let liar = reports.get_mut(&3).unwrap();
        liar.view = 9;
        liar.peers[0].connected = false;
        liar.observations = vec![Observation {
            kind: "equivocation".to_owned(),
            replica: Some(0),
        }];
        let facts = Facts::new(&reports, 1, 128);
        assert_eq!(facts.view(), Some((5, 1)));
        assert!(facts.is_caught_up(0));
        assert!(facts.convicted().is_empty());
    }

    #[test]
    fn f_plus_one_equal_reports_are_believed() {
        let mut reports = reports();
        for other in 0..2 {
            let report = reports.get_mut(&other).unwrap();
            report.divergences = vec![Divergence {
                replica: 3,
                settled: true,
                ..Divergence::default()
            }];
        }
        assert_eq!(Facts::new(&reports, 1, 128).diverged(), BTreeSet::from([3]));
        for report in reports.values_mut() {
            report.executed_sequence += 200;
        }
        assert!(Facts::new(&reports, 1, 128).diverged().is_empty());
    }

    #[test]
    fn what_f_plus_one_say_was_settled_is_settled() {
        let mut reports = reports();
        let mut say = |replica: u32, settled: bool| {
            let said = Divergence {
                replica: 3,
                sequence: 7,
                settled,
                request: "GET /x".to_owned(),
                ..Divergence::default()
            };
            reports.get_mut(&replica).unwrap().divergences = vec![said];
        };
        say(2, false);
        say(3, false);
        say(0, true);
        assert_eq!(Facts::new(&reports, 1, 128).unsettled(), Some("GET /x"));
        reports.get_mut(&1).unwrap().divergences = reports[&0].divergences.clone();
        assert_eq!(Facts::new(&reports, 1, 128).unsettled(), None);
    }

    #[test]
    fn a_replica_far_behind_or_cut_off_is_not_caught_up() {
        let mut reports = reports();
        for report in reports.values_mut() {
            report.executed_sequence = 300;
        }
        let facts = Facts::new(&reports, 1, 128);
        assert!(facts.participates(0) && !facts.is_caught_up(0));
        reports.retain(|replica, _| *replica < 2);
        let facts = Facts::new(&reports, 1, 200);
        assert!(facts.is_caught_up(3) && !facts.is_caught_up(0));
    }

    #[test]
    fn a_report_under_anothers_name_does_not_count() {
        let mut reports = reports();
        reports.retain(|replica, _| *replica < 2);
        reports.insert(2, report(0, 7, 100));
        reports.insert(3, report(0, 7, 100));
        assert_eq!(Facts::new(&reports, 1, 128).view(), Some((5, 1)));
    }
}
