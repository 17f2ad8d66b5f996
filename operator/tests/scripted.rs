//! Ten thousand looks at services whose API server is scripted: reads that are old, events that
//! never come, writes that others came before, crashes between any two writes, an operator that
//! slept and wakes up with an old plan, pods and volumes that vanish, users who change their minds.
//!
//! Every story must end with all replicas as the spec wants them, and in none may the operator
//! have acted on two replicas at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scripted/cluster.rs"]
mod cluster;
#[path = "scripted/kubelet.rs"]
mod kubelet;
#[path = "scripted/random.rs"]
mod random;
#[path = "scripted/story.rs"]
mod story;

use story::Story;

/// Looks at services, over all stories.
const LOOKS: usize = 10_000;

/// A stopped test says which seed stopped it; `BYZANTINE_SEED` tells that story alone.
#[test]
#[ignore = "a later story ends with a ledger volume that was made anew: not understood yet"]
fn ten_thousand_looks_converge_and_never_act_on_two_replicas_at_once() {
    if let Some(seed) = std::env::var("BYZANTINE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Story::new(seed).told();
        return;
    }
    let (mut looks, mut seed) = (0, 0);
    let mut replacements = 0;
    while looks < LOOKS {
        let ended = Story::new(seed).told();
        (looks, replacements) = (looks + ended.looks, replacements + ended.replacements);
        seed += 1;
    }
    println!("{looks} looks in {seed} stories, {replacements} pods replaced");
    assert!(
        replacements > 500,
        "the stories are too quiet: {replacements} replacements"
    );
}
