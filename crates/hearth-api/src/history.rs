//! What became of the duties of the last days, added up.

use hearth_types::{LockHash, ValidatorIndex};
use serde::{Deserialize, Serialize};

/// The time that a history looks back on.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// 24 hours, by the hour.
    #[default]
    Day,
    /// 7 days, in steps of 6 hours.
    Week,
    /// 30 days, by the day.
    Month,
}

const HOUR_MS: u64 = 3_600_000;

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Its length.
    pub const fn length_ms(self) -> u64 {
        match self {
            Self::Day => 24 * HOUR_MS,
            Self::Week => 7 * 24 * HOUR_MS,
            Self::Month => 30 * 24 * HOUR_MS,
        }
    }

    /// The length of one step of it.
    pub const fn step_ms(self) -> u64 {
        match self {
            Self::Day => HOUR_MS,
            Self::Week => 6 * HOUR_MS,
            Self::Month => 24 * HOUR_MS,
        }
    }
}

/// Which duties are added up.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct HistoryRequest {
    /// Of this cluster only.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// Of the time up to now that is so long.
    pub period: Period,
}

/// Duties, counted. A duty of several validators counts once for each of them.
///
/// What the chain has counts; until it is known, what this node did: see [`crate::DutyRecord::was_done`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Tally {
    /// Those that were done.
    pub done: u32,
    /// Those that were missed.
    pub missed: u32,
    /// Mean time from the moment a duty was due until this node's beacon node took it; `None` where none did.
    pub mean_sent_ms: Option<u32>,
    /// Attestations that were found in a block.
    pub included: u32,
    /// Their mean inclusion delay in thousandths of a slot, 1,000 at best; `None` where none was found.
    pub mean_delay_milli: Option<u32>,
}

impl Tally {
    /// Duties done of a thousand; `None` where there were none.
    pub fn effectiveness(&self) -> Option<u16> {
        let (done, all) = (u64::from(self.done), u64::from(self.done) + u64::from(self.missed));
        u16::try_from((done * 1_000).checked_div(all)?).ok()
    }
}

/// One step of a period.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Step {
    /// When it begins.
    pub from_ms: u64,
    /// The duties in it.
    pub tally: Tally,
}

/// One validator's part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ValidatorTally {
    /// Which one.
    #[cfg_attr(test, ts(type = "string"))]
    pub validator: ValidatorIndex,
    /// Its duties.
    pub tally: Tally,
}

/// One operator's part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OperatorTally {
    /// Its number in the cluster.
    pub number: u8,
    /// Duties in which its partial signature arrived here in time.
    pub signed: u32,
    /// Duties in which it could have.
    pub of: u32,
}

/// The history that was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HistoryReply {
    /// When it begins: a full hour.
    pub from_ms: u64,
    /// When it ends: now.
    pub until_ms: u64,
    /// All of it.
    pub total: Tally,
    /// By time, oldest first; steps without duties are left out.
    pub steps: Vec<Step>,
    /// By validator.
    pub validators: Vec<ValidatorTally>,
    /// By operator.
    pub operators: Vec<OperatorTally>,
}

/// Duties done of a thousand, of the last day, week and month; `None` where there were none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Effectiveness {
    /// Of 24 hours.
    pub day: Option<u16>,
    /// Of 7 days.
    pub week: Option<u16>,
    /// Of 30 days.
    pub month: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effectiveness_is_told_of_a_thousand_and_of_nothing_not_at_all() {
        for (done, missed, expected) in [
            (0, 0, None),
            (1, 0, Some(1_000)),
            (0, 1, Some(0)),
            (2, 1, Some(666)),
            (u32::MAX, u32::MAX, Some(500)),
        ] {
            assert_eq!(Tally { done, missed, ..Tally::default() }.effectiveness(), expected, "{done}/{missed}");
        }
    }

    #[test]
    fn a_period_is_a_whole_number_of_steps_of_whole_hours() {
        for period in Period::ALL {
            assert_eq!(
                (period.length_ms() % period.step_ms(), period.step_ms() % HOUR_MS),
                (0, 0),
                "{period:?}"
            );
        }
    }
}
