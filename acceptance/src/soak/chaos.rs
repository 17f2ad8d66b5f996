//! Killing one process after the other, never two replicas at a time.

use std::time::{Duration, Instant};

use super::chance::Chance;
use crate::eventually::eventually;
use crate::service::{Part, Service};

/// The shortest and the longest quiet time before a kill, in milliseconds.
const QUIET: (u64, u64) = (5_000, 25_000);

/// Before the end nobody is killed any more, so that the last samples show a whole service.
const PEACE: Duration = Duration::from_secs(20);

/// One kill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kill {
    /// Since the start.
    pub(super) at: Duration,
    /// Whose process.
    pub(super) replica: u8,
    /// Which one.
    pub(super) part: Part,
    /// How long it took until all replicas were ready again.
    pub(super) recovery: Duration,
}

/// Kills until the time is over, and waits for its end.
pub(super) async fn reign(service: &mut Service, chance: &mut Chance, time: Duration) -> Vec<Kill> {
    let (started, mut kills) = (Instant::now(), Vec::new());
    loop {
        let quiet = Duration::from_millis(QUIET.0 + chance.below(QUIET.1 - QUIET.0));
        if started.elapsed() + quiet + PEACE >= time {
            break;
        }
        tokio::time::sleep(quiet).await;
        kills.push(kill(service, chance, started).await);
    }
    tokio::time::sleep(time.saturating_sub(started.elapsed())).await;
    kills
}

async fn kill(service: &mut Service, chance: &mut Chance, started: Instant) -> Kill {
    let replica = u8::try_from(chance.below(4)).expect("there are four replicas");
    let part = [Part::Sidecar, Part::App][usize::from(chance.below(2) == 1)];
    let at = started.elapsed();
    let before = service.pid(replica, part);
    service.kill_when_back(replica, part).await;
    let what = format!("the {part:?} of replica {replica} is another process");
    let another = async || {
        service
            .pid(replica, part)
            .filter(|pid| Some(*pid) != before)
    };
    eventually(&what, another).await;
    for replica in service.replicas() {
        service.ready(replica).await;
    }
    let recovery = started.elapsed().saturating_sub(at);
    println!(
        "{:>6.1} s: killed the {part:?} of replica {replica}; all ready after {:.1} s",
        at.as_secs_f64(),
        recovery.as_secs_f64()
    );
    Kill {
        at,
        replica,
        part,
        recovery,
    }
}

/// How many of whom, and how long the comebacks took.
pub(super) fn told(kills: &[Kill]) -> String {
    let sidecars = kills
        .iter()
        .filter(|kill| kill.part == Part::Sidecar)
        .count();
    let longest = kills.iter().max_by_key(|kill| kill.recovery);
    let longest = longest.map_or_else(
        || "none".to_owned(),
        |kill| {
            let seconds = kill.recovery.as_secs_f64();
            format!(
                "{seconds:.1} s ({:?} of replica {})",
                kill.part, kill.replica
            )
        },
    );
    let apps = kills.len() - sidecars;
    format!("{sidecars} sidecars, {apps} apps; the longest comeback: {longest}")
}
