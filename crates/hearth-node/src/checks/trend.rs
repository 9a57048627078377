//! When a disk will be full, if it goes on like this. Pure.

use std::collections::VecDeque;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Between two samples that are kept.
const STEP_MS: u64 = 10 * MINUTE;
/// Two days of them.
const MOST: usize = 288;
/// What a shorter time shows is the noise of a day.
const SHORTEST_MS: u64 = 6 * 60 * MINUTE;
/// Further ahead nobody can see.
const FURTHEST_DAYS: u64 = 365;

/// Free space over time.
#[derive(Debug, Default)]
pub(super) struct FillTrend(VecDeque<(u64, u64)>);

impl FillTrend {
    /// Takes a measurement; the days until nothing is left, if it shrinks.
    pub(super) fn take(&mut self, now_ms: u64, free_mib: u64) -> Option<u32> {
        if self.0.back().is_none_or(|(at, _)| now_ms.saturating_sub(*at) >= STEP_MS) {
            self.0.push_back((now_ms, free_mib));
            if self.0.len() > MOST {
                self.0.pop_front();
            }
        }
        let (since_ms, before) = *self.0.front()?;
        let (span, used) = (now_ms.checked_sub(since_ms)?, before.checked_sub(free_mib)?);
        if span < SHORTEST_MS {
            return None;
        }
        let days = u128::from(free_mib) * u128::from(span) / u128::from(DAY);
        let days = days.checked_div(u128::from(used))?;
        u32::try_from(days).ok().filter(|days| u64::from(*days) <= FURTHEST_DAYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_shrinks_is_full_after_as_many_days_as_it_has_left_at_that_pace() {
        const HOUR: u64 = 60 * MINUTE;
        for (name, samples, expected) in [
            ("one look", vec![(0, 100)], None),
            ("too short", vec![(0, 100_000), (5 * HOUR, 10)], None),
            ("a gigabyte a day", vec![(0, 20_024), (24 * HOUR, 19_000)], Some(18)),
            ("a gigabyte in six hours", vec![(0, 5_024), (6 * HOUR, 4_000)], Some(0)),
            ("it grows", vec![(0, 100), (24 * HOUR, 200)], None),
            ("it stays", vec![(0, 100), (24 * HOUR, 100)], None),
            ("years", vec![(0, 1_000_000), (24 * HOUR, 999_999)], None),
            ("a clock set back", vec![(24 * HOUR, 100), (0, 90)], None),
            ("huge", vec![(0, u64::MAX), (24 * HOUR, u64::MAX / 2)], Some(0)),
        ] {
            let mut trend = FillTrend::default();
            let told = samples.into_iter().map(|(at, free)| trend.take(at, free));
            assert_eq!(told.last().flatten(), expected, "{name}");
        }
    }

    #[test]
    fn what_was_two_days_ago_is_forgotten() {
        let mut trend = FillTrend::default();
        let mut told = None;
        for step in 0..1_000 {
            // Fast at first, then not at all.
            told = trend.take(step * STEP_MS, 1_000_000 - step.min(100));
        }
        assert_eq!((told, trend.0.len()), (None, MOST));
    }
}
