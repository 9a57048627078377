//! Operators that go away: when it was asked for, or at random.

use hearth_types::Slot;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

/// One operator is killed at the start of a slot, and perhaps started again at a later one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Absence {
    operator: u8,
    from: Slot,
    until: Option<Slot>,
}

/// A text that describes no absence.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("`{0}` is not OPERATOR@SLOT or OPERATOR@SLOT-SLOT, such as 3@10 or 3@10-20")]
pub struct InvalidAbsence(String);

impl std::str::FromStr for Absence {
    type Err = InvalidAbsence;

    fn from_str(text: &str) -> Result<Self, InvalidAbsence> {
        let wrong = || InvalidAbsence(text.to_owned());
        let (operator, slots) = text.split_once('@').ok_or_else(wrong)?;
        let (from, until) = match slots.split_once('-') {
            Some((from, until)) => (from, Some(until.parse().map_err(|_| wrong())?)),
            None => (slots, None),
        };
        let absence = Self {
            operator: operator.parse().map_err(|_| wrong())?,
            from: from.parse().map_err(|_| wrong())?,
            until,
        };
        if absence.operator == 0 || until.is_some_and(|until| until <= absence.from) {
            return Err(wrong());
        }
        Ok(absence)
    }
}

impl Absence {
    /// The operator that is away.
    pub const fn operator(&self) -> u8 {
        self.operator
    }

    /// What changes at the start of `slot`: the operator, and whether it should run.
    pub(crate) fn at(&self, slot: Slot) -> Option<(u8, bool)> {
        if slot == self.from {
            return Some((self.operator, false));
        }
        (Some(slot) == self.until).then_some((self.operator, true))
    }
}

/// Kills and restarts at random: in about every third slot somebody dies, and nobody stays away for long.
#[derive(Debug)]
pub struct Chaos {
    rng: ChaCha20Rng,
    operators: u8,
}

impl Chaos {
    pub(crate) fn new(seed: u64, operators: u8) -> Self {
        Self { rng: super::seeded(seed), operators }
    }

    /// What changes in a slot, given who runs at its start: milliseconds into the slot, operator, whether it should run.
    pub(crate) fn at(&mut self, running: &[u8], slot_ms: u64) -> Vec<(u64, u8, bool)> {
        let mut changes = Vec::new();
        for number in 1..=self.operators {
            let runs = running.contains(&number);
            let flips = if runs { self.rng.random_bool(0.12) } else { self.rng.random_bool(0.5) };
            if flips {
                changes.push((self.rng.random_range(0..slot_ms), number, !runs));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_is_an_operator_a_slot_and_perhaps_a_return() {
        for (text, expected) in [
            ("3@10", Some((3, 10, None))),
            ("1@2-5", Some((1, 2, Some(5)))),
            ("", None),
            ("3", None),
            ("@3", None),
            ("0@3", None),
            ("3@5-5", None),
            ("3@5-4", None),
            ("x@1", None),
            ("300@1", None),
        ] {
            let expected = expected.map(|(operator, from, until): (u8, u64, Option<u64>)| Absence {
                operator,
                from: Slot::new(from),
                until: until.map(Slot::new),
            });
            assert_eq!(text.parse::<Absence>().ok(), expected, "{text}");
        }
    }
}
