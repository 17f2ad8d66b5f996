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

use std::sync::atomic::{AtomicUsize, Ordering};

use story::Story;

/// Looks at services, over all stories.
const LOOKS: usize = 10_000;

/// Counted over all stories.
#[derive(Default)]
struct Told {
    stories: AtomicUsize,
    looks: AtomicUsize,
    replacements: AtomicUsize,
}

impl Told {
    /// Tells stories until there were enough looks.
    fn on(&self) {
        while self.looks.load(Ordering::Relaxed) < LOOKS {
            let seed = self.stories.fetch_add(1, Ordering::Relaxed);
            let ended = Story::new(seed as u64).told();
            self.looks.fetch_add(ended.looks, Ordering::Relaxed);
            self.replacements
                .fetch_add(ended.replacements, Ordering::Relaxed);
        }
    }
}

/// A stopped test says which seed stopped it; `BYZANTINE_SEED` tells that story alone.
#[test]
fn ten_thousand_looks_converge_and_never_act_on_two_replicas_at_once() {
    if let Some(seed) = std::env::var("BYZANTINE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Story::new(seed).told();
        return;
    }
    let told = Told::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| told.on());
        }
    });
    let (looks, stories) = (told.looks.into_inner(), told.stories.into_inner());
    let replacements = told.replacements.into_inner();
    println!("{looks} looks in {stories} stories, {replacements} pods replaced");
    assert!(
        replacements > 500,
        "the stories are too quiet: {replacements} replacements"
    );
}

/// An operator slept from before the volumes were made until after one of them was lost, and made
/// it anew: with other keys, which no member has.
#[test]
fn an_old_plan_does_not_make_a_lost_volume_anew() {
    Story::new(93).told();
}
