//! Bugs that were found once stay found; and a seed says everything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use byzantine_simulator::plan::Options;
use byzantine_simulator::seeds::{read, record};
use byzantine_simulator::world::run;

#[test]
fn recorded_seeds_keep_every_promise() {
    let recorded = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")).unwrap();
    assert!(recorded.len() >= 7, "every recorded seed is read");
    for seed in recorded {
        let report = run(&seed.options, false);
        assert_eq!(
            report.violation,
            None,
            "{}: {}",
            seed.name,
            seed.options.arguments()
        );
        seed.strikes_its_bug().unwrap();
    }
}

#[test]
fn two_runs_of_a_seed_are_equal_event_by_event() {
    for seed in 0..10 {
        let options = Options::swarm(seed, [4, 5, 7][usize::try_from(seed % 3).unwrap()]);
        let (first, second) = (run(&options, false), run(&options, false));
        assert_eq!(
            (first.hash, first.events),
            (second.hash, second.events),
            "seed {seed}"
        );
        assert_eq!(first.counts, second.counts);
    }
}

#[test]
fn a_bug_is_recorded_anew_where_it_was_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let old = "# What happened once.\n# strikes: gaps-stay-open\n--seed 1 --n 4\n";
    std::fs::write(directory.path().join("01_a_gap.seed"), old).unwrap();
    for bug in ["gaps-stay-open", "one-vote-only"] {
        record(directory.path(), bug, &Options::swarm(7, 5)).unwrap();
    }
    let texts = ["01_a_gap.seed", "one-vote-only.seed"]
        .map(|name| std::fs::read_to_string(directory.path().join(name)).unwrap());
    let run = Options::swarm(7, 5).arguments();
    assert_eq!(
        texts,
        [
            format!("# What happened once.\n# strikes: gaps-stay-open\n{run}\n"),
            format!("# strikes: one-vote-only\n{run}\n")
        ]
    );
    let recorded = read(directory.path()).unwrap();
    let strikes: Vec<_> = recorded.iter().map(|it| it.strikes.as_deref()).collect();
    assert_eq!(strikes, [Some("gaps-stay-open"), Some("one-vote-only")]);
}
