//! A member that lost its memory says so, for as long as it keeps silent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{Abstention, Message, Sequence, StatusReport, View};
use group::Group;

fn abstention(group: &Group, id: usize) -> Option<Abstention> {
    group.nodes[id].replica.as_ref().unwrap().abstention()
}

#[test]
fn it_is_told_until_when_and_that_it_is_over() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    group.request(0, "a", "/");
    group.stabilize();
    group.forget(2);
    group.isolate(2);
    group.start(2);
    assert_eq!(abstention(&group, 2), Some(Abstention::Unbounded));
    assert_eq!(abstention(&group, 1), None);
    // The others stand at 1; two intervals of four are the window above that.
    group.heal();
    group.latency.0 = Duration::from_millis(10);
    group.advance_by(Duration::from_millis(300), Duration::from_millis(10));
    let until = Abstention::Until {
        sequence: Sequence(9),
        view: View(0),
    };
    assert_eq!(abstention(&group, 2), Some(until));
    group.advance_by(Duration::from_secs(5), Duration::from_millis(10));
    assert_eq!(abstention(&group, 2), None);
}

#[test]
fn one_that_is_behind_lowers_nothing() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.isolate(3);
    for key in ["a", "b", "c"] {
        group.request(0, key, "/");
        group.stabilize();
    }
    group.forget(2);
    group.start(2);
    group.heal();
    group.isolate(2);
    group.cut.retain(|(from, to)| (*from, *to) != (3, 2));
    group.latency.0 = Duration::from_millis(10);
    for (id, behind) in [(0, false), (1, false), (3, true)] {
        let known = Sequence(if behind { 0 } else { 3 });
        let report = StatusReport {
            committed: known,
            certified: known,
            ..StatusReport::default()
        };
        group.forge_to(&[2], id, &[Message::Status(report)]);
    }
    group.advance_by(Duration::from_millis(300), Duration::from_millis(10));
    let until = Abstention::Until {
        sequence: Sequence(3 + 16),
        view: View(0),
    };
    assert_eq!(abstention(&group, 2), Some(until));
}
