//! How long to wait before asking again.

use std::time::Duration;

/// Waiting times that grow: 250 ms, then 1.6 times the one before, at most 12 s, each within ±10 % so that
/// operators who failed together do not return together.
///
/// Source: `obol-duties.md` 4.1.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(12);
const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.1;

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The time to wait now.
    pub(crate) fn delay(&mut self) -> Duration {
        let base = self.next;
        self.next = base.mul_f64(GROWTH).min(MOST);
        base.mul_f64(rand::random_range(1.0 - JITTER..=1.0 + JITTER)).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_rule_within_a_tenth_and_never_exceed_twelve_seconds() {
        for _ in 0..200 {
            let mut backoff = Backoff::new();
            let mut base = 250.0;
            for attempt in 0..20 {
                let delay_ms = backoff.delay().as_secs_f64() * 1_000.0;
                assert!(delay_ms >= base * 0.9 - 1.0, "attempt {attempt}: {delay_ms} of {base}");
                assert!(
                    delay_ms <= (base * 1.1 + 1.0).min(12_000.0),
                    "attempt {attempt}: {delay_ms} of {base}"
                );
                base = (base * 1.6).min(12_000.0);
            }
        }
    }
}
