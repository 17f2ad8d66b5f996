//! `sim`: runs simulated worlds. A failing seed prints the one command that repeats it.

use byzantine_simulator::{Faults, Options, run};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |place: usize, or: u64| arguments.get(place).and_then(|it| it.parse().ok()).unwrap_or(or);
    let (from, count, n) = (number(1, 0), number(2, 100), number(3, 4));
    let mut failed = 0;
    let started = std::time::Instant::now();
    let mut events = 0;
    for seed in from..from + count {
        let mut options = Options::swarm(seed, n as usize);
        if let Some(only) = arguments.get(4) {
            options.allowed = Faults::parse(only).unwrap();
        }
        let report = run(&options, count == 1);
        events += report.events;
        if let Some(violation) = report.violation {
            failed += 1;
            println!("{} {}: {}", options.arguments(), violation.invariant, &violation.detail[..violation.detail.len().min(400)]);
        }
        if count == 1 { println!("{:?} healed_in {} views {}", report.counts, report.healed_in, report.views); }
    }
    println!("{failed} of {count} failed, {:?}, {events} events", started.elapsed());
}
