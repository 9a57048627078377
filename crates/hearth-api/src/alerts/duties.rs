//! Tells missed duties that are a trouble from those that happen to everybody.

use std::collections::{BTreeMap, VecDeque};

use hearth_types::ValidatorIndex;

use super::engine::Verdict;

/// Misses in a row, of one validator, that are a trouble; and good duties in a row after which it is over.
const IN_A_ROW: u32 = 3;
const GOOD_IN_A_ROW: u32 = 2;
/// Share of good duties below which it is a trouble, and at which it is over; of a hundred.
const TOO_FEW: usize = 90;
const ENOUGH: usize = 95;
/// Fewer misses than this are no trouble, however few duties there were: one miss of two is not "50 %".
const LEAST_MISSES: usize = 3;
/// Duties that are looked back on, at most: two epochs of a cluster with a duty in every slot.
const MOST_KEPT: usize = 1_024;
/// Validators that are watched one by one, at most; the share of good duties covers the others.
const MOST_VALIDATORS: usize = 10_000;

#[derive(Debug, Default)]
struct Streak {
    missed: u32,
    good: u32,
    troubled: bool,
}

/// The latest duties of one cluster.
#[derive(Debug, Default)]
pub(super) struct DutyWatch {
    /// By validator; under `None` those of which it is not known.
    streaks: BTreeMap<Option<ValidatorIndex>, Streak>,
    /// When each was due, and whether it was done.
    latest: VecDeque<(u64, bool)>,
    /// Misses since the trouble began.
    missed: u32,
    /// Duties done in a row.
    good: u32,
}

impl DutyWatch {
    pub(super) fn take(&mut self, due_ms: u64, validators: &[ValidatorIndex], done: bool) {
        if self.latest.len() == MOST_KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back((due_ms, done));
        self.good = if done { self.good.saturating_add(1) } else { 0 };
        self.missed = self.missed.saturating_add(u32::from(!done));
        let known = validators.iter().copied().map(Some);
        let nobody = validators.is_empty().then_some(None);
        for validator in known.chain(nobody) {
            if self.streaks.len() >= MOST_VALIDATORS && !self.streaks.contains_key(&validator) {
                continue;
            }
            let streak = self.streaks.entry(validator).or_default();
            if done {
                (streak.missed, streak.good) = (0, streak.good.saturating_add(1));
                streak.troubled &= streak.good < GOOD_IN_A_ROW;
            } else {
                (streak.missed, streak.good) = (streak.missed.saturating_add(1), 0);
                streak.troubled |= streak.missed >= IN_A_ROW;
            }
        }
    }

    /// Duties done in a row, up to the latest.
    pub(super) fn good_in_a_row(&self) -> u32 {
        self.good
    }

    /// Starts that count afresh.
    pub(super) fn count_good_from_here(&mut self) {
        self.good = 0;
    }

    /// Misses since the trouble began.
    pub(super) fn missed(&self) -> u32 {
        self.missed
    }

    /// Looks back over `window_ms`.
    pub(super) fn verdict(&mut self, now_ms: u64, window_ms: u64) -> Verdict {
        while self.latest.front().is_some_and(|(due, _)| due.saturating_add(window_ms) < now_ms) {
            self.latest.pop_front();
        }
        let (all, missed) = (self.latest.len(), self.latest.iter().filter(|(_, done)| !done).count());
        let good_of_a_hundred = (all - missed).saturating_mul(100).checked_div(all).unwrap_or(100);
        let in_a_row = self.streaks.values().any(|streak| streak.troubled);
        let verdict = if in_a_row || (missed >= LEAST_MISSES && good_of_a_hundred < TOO_FEW) {
            Verdict::Bad
        } else if missed <= 1 || good_of_a_hundred >= ENOUGH {
            Verdict::Good
        } else {
            Verdict::Between
        };
        if verdict == Verdict::Good {
            self.missed = u32::try_from(missed).unwrap_or(u32::MAX);
        }
        verdict
    }
}
