//! How long to wait before a lost peer is dialled again.

use std::time::Duration;

use crate::config::Timing;

const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.2;

/// Failures in a row, and the wait that follows from them.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: i32,
}

impl Backoff {
    /// Notes one more failure and returns the wait until the next attempt.
    ///
    /// `redial_first · 1.6^k`, at most `redial_longest`; all but the first ±20 %, by `chance` in `0.0..1.0`,
    /// so that nodes which lost each other at the same moment do not keep dialling at the same moment.
    /// Source: reference behaviour, spec/obol-p2p.md section 5.
    pub(crate) fn failed(&mut self, timing: &Timing, chance: f64) -> Duration {
        let exponent = self.failures;
        self.failures = self.failures.saturating_add(1);
        let longest = timing.redial_longest.as_secs_f64();
        let plain = (timing.redial_first.as_secs_f64() * GROWTH.powi(exponent)).min(longest);
        let spread = if exponent == 0 { 1.0 } else { 1.0 + JITTER * (2.0 * chance - 1.0) };
        Duration::try_from_secs_f64(plain * spread).unwrap_or(timing.redial_longest)
    }

    /// The peer answered: the next failure counts as the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_grow_by_1_6_from_one_second_to_thirty_and_start_over_after_success() {
        let timing = Timing::default();
        let mut backoff = Backoff::default();
        let waits: Vec<_> =
            (0..10).map(|_| (backoff.failed(&timing, 0.5).as_secs_f64() * 10.0).round()).collect();
        assert_eq!(waits, [10.0, 16.0, 26.0, 41.0, 66.0, 105.0, 168.0, 268.0, 300.0, 300.0]);
        backoff.reset();
        assert_eq!(backoff.failed(&timing, 0.9), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn no_number_of_failures_waits_longer_than_the_longest_plus_jitter(failures in 0..5_000u32, chance in 0.0..1.0f64) {
            let timing = Timing::default();
            let mut backoff = Backoff::default();
            for _ in 0..failures {
                let _ = backoff.failed(&timing, chance);
            }
            let wait = backoff.failed(&timing, chance);
            prop_assert!(wait >= Duration::from_millis(999) && wait <= Duration::from_secs(36), "{wait:?}");
        }
    }
}
