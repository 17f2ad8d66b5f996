//! A view is left and opened on valid evidence for that view only: forged VIEW-CHANGEs and
//! NEW-VIEWs, one lie each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{
    Message, NewView, Notice, PreparedCertificate, Rejection, Sequence, SignedMessage, Subject,
    Suspicion, View, ViewChange, Vote,
};
use byzantine_proof::Digest;
use group::Group;

/// The window above a stable checkpoint at 0.
const WINDOW: u64 = 8;

fn group() -> Group {
    let mut group = Group::new(4, 1, WINDOW / 2);
    group.stabilize();
    group.notices.clear();
    group
}

fn suspicions(group: &Group, view: u64) -> Vec<SignedMessage> {
    let suspicion = Suspicion {
        view: View(view),
        subject: Subject::NewView,
    };
    let said = (1..4).flat_map(|id| group.sign(id, &[Message::Suspect(suspicion)]));
    said.collect()
}

/// That a batch prepared, signed by all who have to.
fn prepared(group: &Group, view: u64, sequence: u64) -> PreparedCertificate {
    let vote = Vote {
        view: View(view),
        sequence: Sequence(sequence),
        digest: Digest::of(b"batch"),
    };
    let primary = usize::try_from(view % 4).unwrap();
    let backups = (0..4).filter(|id| *id != primary).take(2);
    let prepares = backups.flat_map(|id| group.sign(id, &[Message::Prepare(vote)]));
    PreparedCertificate {
        prepares: prepares.collect(),
        pre_prepare: group.sign(primary, &[Message::PrePrepare(vote)]).remove(0),
    }
}

fn view_change(group: &Group, view: u64, prepared: Vec<PreparedCertificate>) -> Message {
    Message::ViewChange(ViewChange {
        view: View(view),
        suspicions: suspicions(group, view - 1),
        stable: None,
        prepared,
    })
}

/// Why member 0 does not take a message.
fn refused(group: &mut Group, sender: usize, message: Message) -> Vec<Rejection> {
    group.notices.clear();
    group.forge_to(&[0], sender, &[message]);
    let told = group.notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Rejected { rejection, .. } => Some(*rejection),
        _ => None,
    });
    told.collect()
}

fn view(group: &Group) -> (u64, bool) {
    let replica = group.nodes[0].replica.as_ref().unwrap();
    (replica.view().0, replica.standing().changing)
}

#[test]
fn what_prepared_in_the_window_and_in_an_earlier_view_moves_its_receiver() {
    let mut group = group();
    let certificates = [1, WINDOW].map(|sequence| prepared(&group, 0, sequence));
    let message = view_change(&group, 1, certificates.to_vec());
    assert_eq!(refused(&mut group, 3, message), []);
    assert_eq!(view(&group), (1, true));
}

#[test]
fn what_cannot_have_prepared_is_refused_with_all_that_is_beside_it() {
    let lies: [(&str, &[(u64, u64)]); 4] = [
        ("above the window", &[(0, WINDOW + 1)]),
        ("not above the checkpoint", &[(0, 0)]),
        ("in the view that is to come", &[(1, 1)]),
        ("twice", &[(0, 1), (0, 1)]),
    ];
    for (lie, votes) in lies {
        let mut group = group();
        let certificates = votes.iter();
        let certificates = certificates.map(|(view, sequence)| prepared(&group, *view, *sequence));
        let message = view_change(&group, 1, certificates.collect());
        assert_eq!(
            refused(&mut group, 3, message),
            [Rejection::Certificate],
            "{lie}"
        );
        assert_eq!(view(&group), (0, false), "{lie}");
    }
}

#[test]
fn suspicions_of_another_view_say_nothing_of_this_one() {
    let mut group = group();
    let message = Message::ViewChange(ViewChange {
        view: View(2),
        suspicions: suspicions(&group, 0),
        stable: None,
        prepared: vec![],
    });
    assert_eq!(refused(&mut group, 3, message), [Rejection::Certificate]);
    assert_eq!(view(&group), (0, false));
}

#[test]
fn a_new_view_rests_on_view_changes_for_itself() {
    let new_view = |group: &Group, of: &[usize], view: u64| {
        let votes = of.iter();
        let votes = votes.flat_map(|id| group.sign(*id, &[view_change(group, view, vec![])]));
        Message::NewView(NewView {
            view: View(1),
            view_changes: votes.collect(),
        })
    };
    for (of, view_of) in [(&[1, 2, 3][..], 2), (&[1, 2], 1), (&[1, 2, 2], 1)] {
        let mut group = group();
        let message = new_view(&group, of, view_of);
        assert_eq!(refused(&mut group, 1, message), [Rejection::Certificate]);
        assert_eq!(view(&group), (0, false));
    }
    let mut group = group();
    let message = new_view(&group, &[1, 2, 3], 1);
    assert_eq!(refused(&mut group, 1, message), []);
    assert_eq!(view(&group), (1, false));
}

#[test]
fn what_its_checkpoint_covers_is_not_proposed_afresh_to_one_that_is_behind() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    group.isolate(3);
    for key in ["a", "b", "c", "d"] {
        group.request(0, key, "/");
        group.stabilize();
    }
    // It hears the others again, and cannot ask them for anything.
    group.cut.retain(|(from, _)| *from == 3);
    let (view, subject) = (View(0), Subject::NewView);
    for sender in 1..4 {
        let suspicion = Suspicion { view, subject };
        group.forge(sender, &[Message::Suspect(suspicion)], &[]);
    }
    group.stabilize();
    let behind = group.nodes[3].replica.as_ref().unwrap().standing();
    assert_eq!((behind.view, behind.stable), (View(1), Sequence(0)));
    for (sequence, expected) in [(4, &[Rejection::NotReproposed][..]), (5, &[])] {
        group.notices.clear();
        let vote = Vote {
            view: View(1),
            sequence: Sequence(sequence),
            digest: Digest::of(b"batch"),
        };
        group.forge_to(&[3], 1, &[Message::PrePrepare(vote)]);
        let told = group.notices.iter().filter_map(|(_, notice)| match notice {
            Notice::Rejected { rejection, .. } => Some(*rejection),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{sequence}");
    }
}

#[test]
fn whoever_left_a_view_does_not_wait_for_the_next_one_for_ever() {
    let mut group = group();
    group.withheld.extend((0..4).map(|id| (id, "VIEW-CHANGE")));
    let suspicion = Suspicion {
        view: View(0),
        subject: Subject::NewView,
    };
    for sender in 0..4 {
        group.forge(sender, &[Message::Suspect(suspicion)], &[]);
    }
    assert_eq!(view(&group), (1, true));
    group.talk.take();
    group.advance(Duration::from_secs(7));
    assert!(!group.talk.take().contains("says SUSPECT"));
    group.advance(Duration::from_secs(10));
    let talk = group.talk.take();
    assert!(talk.contains("0: says SUSPECT"), "{talk}");
    assert_eq!(view(&group), (2, true), "{talk}");
}
