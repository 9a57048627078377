//! What can go wrong between operators, and how an operator can be bad.

use std::collections::BTreeSet;
use std::ops::Range;

use hearth_types::{OperatorIndex, UnixMillis};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

/// One way in which the network is bad.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Disturbance {
    /// This many of a hundred messages vanish.
    LossPercent(u8),
    /// Messages take up to this many milliseconds longer, each its own time, so that they overtake each other.
    DelayUpToMs(u64),
    /// Every message takes this many milliseconds longer.
    DelayMs(u64),
    /// This many of a hundred messages arrive twice.
    DuplicatePercent(u8),
    /// Operators (counted from 1) on this side hear nothing from the other side, nor the other way round.
    Split(BTreeSet<u8>),
    /// What the first sends does not reach the second; the way back is open.
    OneWay(u8, u8),
}

/// How an operator behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Behaviour {
    /// As the protocol says.
    Honest,
    /// Proposes one thing to some and another to others when it leads.
    Equivocator,
    /// Says nothing.
    Mute,
    /// Sends again what it once received, to anybody, at any time.
    Replayer,
    /// Signs garbage.
    Forger,
    /// Signs another head as well.
    DoubleSigner,
    /// Sends its partial signatures to all but one.
    Withholder,
}

/// Disturbances and when they apply.
#[derive(Debug, Default)]
pub(super) struct Faults {
    active: Vec<(Range<UnixMillis>, Disturbance)>,
}

impl Faults {
    pub(super) fn add(&mut self, when: Range<UnixMillis>, disturbance: Disturbance) {
        self.active.push((when, disturbance));
    }

    /// The delays with which copies of a message arrive; none if it is lost.
    pub(super) fn travel(
        &self,
        now: UnixMillis,
        from: OperatorIndex,
        to: OperatorIndex,
        usual: Range<u64>,
        rng: &mut ChaCha20Rng,
    ) -> Vec<u64> {
        let (from, to) = (from.share().get(), to.share().get());
        let mut delay = rng.random_range(usual.clone());
        let mut copies = 1;
        for (_, disturbance) in self.active.iter().filter(|(when, _)| when.contains(&now)) {
            match disturbance {
                Disturbance::LossPercent(percent) => {
                    if rng.random_range(0..100) < *percent {
                        copies = 0;
                    }
                }
                Disturbance::DuplicatePercent(percent) => {
                    if rng.random_range(0..100) < *percent {
                        copies *= 2;
                    }
                }
                Disturbance::DelayUpToMs(most) => delay += rng.random_range(0..=*most),
                Disturbance::DelayMs(more) => delay += more,
                Disturbance::Split(side) => {
                    if side.contains(&from) != side.contains(&to) {
                        copies = 0;
                    }
                }
                Disturbance::OneWay(deaf_from, deaf_to) => {
                    if (from, to) == (*deaf_from, *deaf_to) {
                        copies = 0;
                    }
                }
            }
        }
        (0..copies).map(|_| delay + rng.random_range(usual.clone())).collect()
    }
}
