//! Who leads, when a round ends, when a duty is over, and which duties a peer may speak of at all.
//!
//! Moments are whole milliseconds; fractions of a slot are rounded down.

use hearth_duties::{Arming, Timer};
use hearth_types::{ChainSpec, Duty, DutyKind, Epoch, OperatorIndex, UnixMillis};
use thiserror::Error;

/// Leader of round 1: `(slot + duty type + 1) mod n`. Leadership passes on by one position a round.
///
/// Source: `obol-duties.md` 5.4.
pub fn first_leader(duty: Duty, operators: u8) -> OperatorIndex {
    let sum = u128::from(duty.slot.get()) + u128::from(duty.kind.number()) + 1;
    let position = sum % u128::from(operators.max(1));
    OperatorIndex::all(operators)
        .find(|operator| operator.position() as u128 == position)
        .unwrap_or(OperatorIndex::MAX)
}

/// Milliseconds that every round adds to its deadline. Absolute, whatever the length of a slot.
const ROUND_MS: u64 = 1_000;
/// Proposals are built by others and come late.
const PROPOSER_EXTRA_MS: u64 = 500;

/// The moment at which a round's timer fires: "eager double linear".
///
/// Round `r` ends `r` seconds after the duty's moment in its slot (half a second more for proposals); a proposal
/// heard in the round doubles that. Deadlines hang on genesis, not on receipt, so that clocks alone align the nodes.
/// Source: `obol-duties.md` 5.9.
pub fn round_deadline(spec: &ChainSpec, duty: Duty, timer: Timer) -> UnixMillis {
    let extra = if duty.kind == DutyKind::Proposer { PROPOSER_EXTRA_MS } else { 0 };
    let length = timer.round.get().saturating_mul(ROUND_MS).saturating_add(extra);
    let length = match timer.arming {
        Arming::First => length,
        Arming::Again => length.saturating_mul(2),
    };
    consensus_start(spec, duty).saturating_add(length)
}

/// The moment in its slot at which a duty's consensus begins.
///
/// Source: `obol-duties.md` 2.4, 5.9.
pub fn consensus_start(spec: &ChainSpec, duty: Duty) -> UnixMillis {
    let offset = match duty.kind {
        DutyKind::Attester => spec.slot_ms() / 3,
        DutyKind::Aggregator | DutyKind::SyncContribution => spec.slot_ms() * 2 / 3,
        _ => 0,
    };
    spec.slot_start(duty.slot).saturating_add(offset)
}

/// The moment after which nothing about the duty matters; `None` for duties that never expire.
///
/// Source: `obol-duties.md` 2.2.
pub fn duty_deadline(spec: &ChainSpec, duty: Duty) -> Option<UnixMillis> {
    let slot_ms = spec.slot_ms();
    let lasts = match duty.kind {
        DutyKind::Exit | DutyKind::BuilderRegistration => return None,
        DutyKind::Proposer | DutyKind::Randao => slot_ms / 3,
        DutyKind::Attester | DutyKind::Aggregator => spec.slots_per_epoch() * slot_ms,
        DutyKind::PrepareAggregator | DutyKind::PrepareSyncContribution => 2 * spec.slots_per_epoch() * slot_ms,
        DutyKind::Signature | DutyKind::SyncMessage | DutyKind::SyncContribution | DutyKind::InfoSync => {
            slot_ms
        }
    };
    Some(spec.slot_start(duty.slot).saturating_add(lasts).saturating_add(slot_ms / 12))
}

/// Epochs ahead of now that a peer may speak of.
const EPOCHS_AHEAD: u64 = 2;

/// Decides by the clock whether a peer's message about a duty is worth looking at.
///
/// Source: `obol-duties.md` 2.2, 2.3.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    spec: &'a ChainSpec,
    now: UnixMillis,
}

/// A duty that this is not the time for.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Untimely {
    /// More than two epochs ahead.
    #[error("duty {duty} lies more than {EPOCHS_AHEAD} epochs after epoch {now}")]
    TooFarAhead {
        /// The duty.
        duty: Duty,
        /// The epoch that it is now.
        now: Epoch,
    },
    /// Its deadline has passed.
    #[error("duty {duty} expired at {deadline} ms")]
    Expired {
        /// The duty.
        duty: Duty,
        /// The deadline.
        deadline: UnixMillis,
    },
    /// It never expires, and the cluster does not agree on such duties.
    #[error("the cluster holds no consensus on {duty}")]
    NoConsensus {
        /// The duty.
        duty: Duty,
    },
}

impl<'a> Gate<'a> {
    /// The gate as it stands at `now`. Before genesis it is epoch 0.
    pub const fn new(spec: &'a ChainSpec, now: UnixMillis) -> Self {
        Self { spec, now }
    }

    /// Lets a duty pass that is at most two epochs ahead and not expired.
    pub fn admit(&self, duty: Duty) -> Result<(), Untimely> {
        let now = self.spec.slot_at(self.now).map_or(Epoch::new(0), |slot| self.spec.epoch_of(slot));
        if self.spec.epoch_of(duty.slot) > now.saturating_add(EPOCHS_AHEAD) {
            return Err(Untimely::TooFarAhead { duty, now });
        }
        match duty_deadline(self.spec, duty) {
            Some(deadline) if deadline < self.now => Err(Untimely::Expired { duty, deadline }),
            _ => Ok(()),
        }
    }

    /// Lets a duty pass as [`Self::admit`] does, if the cluster can hold a consensus on it.
    pub fn admit_consensus(&self, duty: Duty) -> Result<(), Untimely> {
        match duty_deadline(self.spec, duty) {
            Some(_) => self.admit(duty),
            None => Err(Untimely::NoConsensus { duty }),
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_duties::Round;
    use hearth_types::Slot;

    use super::*;
    use crate::wire::testing::{at, spec};

    fn duty(slot: u64, kind: DutyKind) -> Duty {
        Duty { slot: Slot::new(slot), kind }
    }

    #[test]
    fn leadership_follows_the_example_of_the_protocol_and_overflows_nowhere() {
        let attester = duty(123, DutyKind::Attester);
        assert_eq!(first_leader(attester, 4).position(), 2);
        assert_eq!(first_leader(duty(123, DutyKind::Proposer), 4).position(), 1);
        assert_eq!(first_leader(duty(u64::MAX, DutyKind::InfoSync), 7).position(), 1);
        for operators in 1..=254 {
            assert!(first_leader(attester, operators).position() < usize::from(operators));
        }
        let _some_operator_and_no_panic = (first_leader(attester, 0), first_leader(attester, 255));
    }

    #[test]
    fn rounds_end_as_in_the_table_of_the_protocol() {
        for (kind, offset_ms, first_ms, again_ms) in [
            (DutyKind::Attester, 4_000, [1_000, 2_000, 3_000], [2_000, 4_000, 6_000]),
            (DutyKind::Proposer, 0, [1_500, 2_500, 3_500], [3_000, 5_000, 7_000]),
            (DutyKind::Aggregator, 8_000, [1_000, 2_000, 3_000], [2_000, 4_000, 6_000]),
            (DutyKind::SyncContribution, 8_000, [1_000, 2_000, 3_000], [2_000, 4_000, 6_000]),
            (DutyKind::InfoSync, 0, [1_000, 2_000, 3_000], [2_000, 4_000, 6_000]),
        ] {
            for (arming, expected) in [(Arming::First, first_ms), (Arming::Again, again_ms)] {
                for (round, expected_ms) in (1..).zip(expected) {
                    let timer = Timer { round: Round::new(round).unwrap(), arming };
                    let expected = at(10 * 12_000 + offset_ms + expected_ms);
                    assert_eq!(round_deadline(&spec(), duty(10, kind), timer), expected, "{kind:?} {timer:?}");
                }
            }
        }
    }

    #[test]
    fn deadlines_of_duties_are_those_of_mainnet() {
        for (kind, expected_s) in [
            (DutyKind::Proposer, Some(5)),
            (DutyKind::Randao, Some(5)),
            (DutyKind::SyncMessage, Some(13)),
            (DutyKind::SyncContribution, Some(13)),
            (DutyKind::InfoSync, Some(13)),
            (DutyKind::Signature, Some(13)),
            (DutyKind::Attester, Some(385)),
            (DutyKind::Aggregator, Some(385)),
            (DutyKind::PrepareAggregator, Some(769)),
            (DutyKind::PrepareSyncContribution, Some(769)),
            (DutyKind::Exit, None),
            (DutyKind::BuilderRegistration, None),
        ] {
            let expected = expected_s.map(|s: u64| at((7 * 12 + s) * 1_000));
            assert_eq!(duty_deadline(&spec(), duty(7, kind)), expected, "{kind:?}");
        }
    }

    #[test]
    fn moments_of_absurd_slots_and_rounds_are_held_at_the_largest_number() {
        let late = UnixMillis::new(u64::MAX);
        let timer = Timer { round: Round::new(u64::MAX).unwrap(), arming: Arming::Again };
        assert_eq!(round_deadline(&spec(), duty(0, DutyKind::Attester), timer), late);
        assert_eq!(duty_deadline(&spec(), duty(u64::MAX, DutyKind::Attester)), Some(late));
    }

    #[test]
    fn the_gate_opens_two_epochs_ahead_and_closes_after_the_deadline() {
        let spec = spec();
        let (exit, attester) = (DutyKind::Exit, DutyKind::Attester);
        for (name, now, asked, any, consensus) in [
            ("before genesis, epoch 2", UnixMillis::new(0), duty(95, attester), true, true),
            ("before genesis, epoch 3", UnixMillis::new(0), duty(96, attester), false, false),
            ("two epochs ahead", at(32 * 12_000), duty(127, attester), true, true),
            ("three epochs ahead", at(32 * 12_000), duty(128, attester), false, false),
            ("the end of time", at(0), duty(u64::MAX, attester), false, false),
            ("at the deadline", at(385_000), duty(0, attester), true, true),
            ("after the deadline", at(385_001), duty(0, attester), false, false),
            ("an exit long ago", at(385_000_000), duty(0, exit), true, false),
            ("an exit far ahead", at(0), duty(96, exit), false, false),
        ] {
            let gate = Gate::new(&spec, now);
            assert_eq!(gate.admit(asked).is_ok(), any, "{name}");
            assert_eq!(gate.admit_consensus(asked).is_ok(), consensus, "{name}, consensus");
        }
    }
}
