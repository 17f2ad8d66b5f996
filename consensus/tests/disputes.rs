//! An answer that differs is shown to people, also when the checkpoint that drops its sequence
//! comes before the question, or before the answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use byzantine_consensus::{
    Answer, Event, Fetch, Frame, Notice, Rejection, ReplicaId, Sequence, Supply,
};
use group::{Group, replica_id};

const DISPUTED: Sequence = Sequence(1);

/// The app of replica 3 answers one request otherwise, and 0 cannot ask it about that. All of them
/// are past the checkpoint after it. With that, what 3 and 1 answered.
fn group_past_a_dispute() -> (Group, [Answer; 2]) {
    let mut group = Group::new(4, 1, 2);
    group.nodes[3].odd_app = true;
    group.nodes[3].paused_app = true;
    group.stabilize();
    group.request(1, "a", "/odd");
    group.stabilize();
    group.cut.insert((0, 3));
    group.nodes[3].paused_app = false;
    group.stabilize();
    let answer = |group: &Group, id: usize| {
        let replica = group.nodes[id].replica.as_ref().unwrap();
        replica.outcome(DISPUTED, 0).cloned()
    };
    let answers = [3, 1].map(|id| answer(&group, id).unwrap());
    group.heal();
    group.request(1, "b", "/even");
    group.stabilize();
    for id in 0..4 {
        let standing = group.nodes[id].replica.as_ref().unwrap().standing();
        assert_eq!(standing.stable, Sequence(2), "{id}");
        assert_eq!(answer(&group, id), None, "{id}");
    }
    (group, answers)
}

/// The answer that is shown to one member as that of another.
fn show(group: &mut Group, from: usize, to: usize, answer: &Answer) {
    group.notices.clear();
    let (sequence, answer) = (DISPUTED, answer.clone());
    let supply = Supply::Outcome {
        sequence,
        index: 0,
        answer,
    };
    group.supply(from, to, supply);
}

fn differing(group: &Group, at: usize) -> Vec<(ReplicaId, String, Answer, Answer)> {
    let notices = group.notices.iter().filter(|(id, _)| *id == at);
    let differs = notices.filter_map(|(_, notice)| match notice.clone() {
        Notice::Differs {
            replica,
            request,
            ours,
            theirs,
            ..
        } => Some((replica, request, ours, theirs)),
        _ => None,
    });
    differs.collect()
}

fn rejected(group: &Group, at: usize) -> Vec<Rejection> {
    let notices = group.notices.iter().filter(|(id, _)| *id == at);
    let rejected = notices.filter_map(|(_, notice)| match notice {
        Notice::Rejected { rejection, .. } => Some(*rejection),
        _ => None,
    });
    rejected.collect()
}

#[test]
fn an_answer_that_comes_after_the_checkpoint_is_shown() {
    let (mut group, [odd, ours]) = group_past_a_dispute();
    assert_eq!(differing(&group, 0), [], "nobody could be asked");
    show(&mut group, 3, 0, &odd);
    let shown = (ReplicaId(3), "POST /odd".to_owned(), ours, odd);
    assert_eq!(differing(&group, 0), [shown]);
}

#[test]
fn a_question_that_comes_after_the_checkpoint_is_answered() {
    let (mut group, _) = group_past_a_dispute();
    let (from, sequence) = (replica_id(0), DISPUTED);
    let frame = Frame::Fetch(Fetch::Outcome { sequence, index: 0 });
    group.talk.take();
    group.handle(3, Event::Received { from, frame });
    let talk = group.talk.take();
    assert!(talk.contains("3: gives 0 its answer 1/0"), "{talk}");
    group.notices.clear();
    group.stabilize();
    assert_eq!(differing(&group, 0).len(), 1);
}

#[test]
fn what_it_did_not_name_is_not_taken_for_its_answer() {
    let (mut group, [odd, ours]) = group_past_a_dispute();
    let mut torn = odd.clone();
    torn.content = bytes::Bytes::from_static(b"something else");
    for (from, answer) in [(3, &ours), (3, &torn), (2, &odd)] {
        show(&mut group, from, 0, answer);
        assert_eq!(rejected(&group, 0), [Rejection::Supply]);
        assert_eq!(differing(&group, 0), []);
    }
}

#[test]
fn what_nobody_disputed_is_gone() {
    let (mut group, [odd, _]) = group_past_a_dispute();
    group.notices.clear();
    let supply = Supply::Outcome {
        sequence: Sequence(2),
        index: 0,
        answer: odd,
    };
    group.supply(3, 0, supply);
    assert_eq!(rejected(&group, 0), [Rejection::OutsideWindow]);
}
