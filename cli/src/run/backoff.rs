//! When a crashed process is started again, and when that is given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Crashes within [`WINDOW`] after which a process is given up.
const LIMIT: usize = 5;

const WINDOW: Duration = Duration::from_mins(1);

const FIRST_PAUSE: Duration = Duration::from_millis(200);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The crashes of one process.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    crashes: VecDeque<Instant>,
    /// Whether it is started again for ever, because it is meant to crash.
    tireless: bool,
}

impl Backoff {
    pub(super) fn new(tireless: bool) -> Self {
        Self {
            crashes: VecDeque::new(),
            tireless,
        }
    }

    /// The pause before the next start after a crash at `now`, twice the last one's while they
    /// follow each other closely; `None` to give up.
    pub(super) fn crashed(&mut self, now: Instant) -> Option<Duration> {
        self.crashes.push_back(now);
        let recent = |crash: &Instant| now.duration_since(*crash) < WINDOW;
        while self.crashes.front().is_some_and(|crash| !recent(crash)) {
            self.crashes.pop_front();
        }
        let count = self.crashes.len();
        if count >= LIMIT && !self.tireless {
            return None;
        }
        // Beyond this many doublings the pause has its largest value.
        let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX).min(8);
        Some((FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE))
    }

    /// Crashes within the last minute.
    pub(super) fn count(&self) -> usize {
        self.crashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_in_a_minute_are_too_many() {
        let (mut backoff, start) = (Backoff::new(false), Instant::now());
        let pauses: Vec<_> = (0..5).map(|_| backoff.crashed(start)).collect();
        let millis = |pause: &Option<Duration>| pause.map(|pause| pause.as_millis());
        let pauses: Vec<_> = pauses.iter().map(millis).collect();
        assert_eq!(pauses, [Some(200), Some(400), Some(800), Some(1600), None]);
        assert_eq!(backoff.count(), 5);
    }

    #[test]
    fn seldom_crashes_are_forgotten_and_liars_never_given_up() {
        let (mut backoff, mut now) = (Backoff::new(false), Instant::now());
        for _ in 0..20 {
            assert_eq!(backoff.crashed(now), Some(FIRST_PAUSE));
            now += WINDOW;
        }
        let mut tireless = Backoff::new(true);
        for _ in 0..20 {
            assert!(tireless.crashed(now).is_some());
        }
        assert_eq!(tireless.crashed(now), Some(LONGEST_PAUSE));
    }
}
