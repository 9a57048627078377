//! Parameters of the chain that a cluster validates on: genesis, slot clock and fork schedule.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::signing::{DomainType, compute_domain};
use crate::{Domain, Epoch, ForkVersion, Root, Slot, UnixMillis};

/// Forks in the order of the chain.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForkName {
    /// Genesis of the beacon chain.
    Phase0,
    /// Sync committees.
    Altair,
    /// The merge.
    Bellatrix,
    /// Withdrawals.
    Capella,
    /// Blobs.
    Deneb,
    /// One attestation root per slot.
    Electra,
    /// Data availability sampling.
    Fulu,
}

impl ForkName {
    /// Forks that this version can sign for, oldest first.
    pub const ALL: [Self; 7] =
        [Self::Phase0, Self::Altair, Self::Bellatrix, Self::Capella, Self::Deneb, Self::Electra, Self::Fulu];

    /// Name in the beacon API (`Eth-Consensus-Version`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phase0 => "phase0",
            Self::Altair => "altair",
            Self::Bellatrix => "bellatrix",
            Self::Capella => "capella",
            Self::Deneb => "deneb",
            Self::Electra => "electra",
            Self::Fulu => "fulu",
        }
    }

    /// Number in Obol's envelopes: phase0 is 0.
    pub const fn number(self) -> u64 {
        self as u64
    }
}

/// A fork and when it takes effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScheduledFork {
    /// Which one.
    pub name: ForkName,
    /// First epoch under its rules.
    pub epoch: Epoch,
    /// Its version on this chain.
    pub version: ForkVersion,
}

/// The duty lies beyond the last fork that this version knows how to sign for.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("epoch {epoch} is beyond the forks this version of Hearth knows; update Hearth before epoch {horizon}")]
pub struct UnknownFork {
    /// Epoch asked for.
    pub epoch: Epoch,
    /// First epoch of the unknown fork.
    pub horizon: Epoch,
}

/// Parameters that no chain can have.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum InvalidSpec {
    /// No fork is in effect at genesis.
    #[error("the fork schedule has no fork at genesis")]
    NothingAtGenesis,
    /// A later fork is scheduled before an earlier one.
    #[error("fork {0} is scheduled before its predecessor")]
    OutOfOrder(&'static str),
    /// A slot or an epoch of length zero, or longer than a day.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

/// When each fork takes effect, ending at the horizon beyond which nothing is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForkSchedule {
    forks: Vec<ScheduledFork>,
    horizon: Epoch,
}

impl ForkSchedule {
    /// A schedule of known forks in chain order, and the first epoch of a fork that this version does not know
    /// ([`Epoch::FAR_FUTURE`] if none is announced).
    pub fn new(forks: Vec<ScheduledFork>, horizon: Epoch) -> Result<Self, InvalidSpec> {
        if forks.first().is_none_or(|first| first.epoch != Epoch::new(0)) {
            return Err(InvalidSpec::NothingAtGenesis);
        }
        for (earlier, later) in forks.iter().zip(forks.iter().skip(1)) {
            if (later.epoch, later.name) < (earlier.epoch, earlier.name) {
                return Err(InvalidSpec::OutOfOrder(later.name.as_str()));
            }
        }
        Ok(Self { forks, horizon })
    }

    /// The fork in effect at `epoch`.
    pub fn at(&self, epoch: Epoch) -> Result<ScheduledFork, UnknownFork> {
        let beyond = UnknownFork { epoch, horizon: self.horizon };
        if epoch >= self.horizon {
            return Err(beyond);
        }
        self.forks.iter().rev().find(|fork| fork.epoch <= epoch).copied().ok_or(beyond)
    }

    /// First epoch of a fork that this version does not know.
    pub const fn horizon(&self) -> Epoch {
        self.horizon
    }

    /// The scheduled forks, oldest first.
    pub fn forks(&self) -> &[ScheduledFork] {
        &self.forks
    }
}

/// Everything about a chain that a duty needs to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChainSpec {
    /// Start of slot 0.
    pub genesis_time: UnixMillis,
    /// Tells chains with equal fork versions apart.
    pub genesis_validators_root: Root,
    slot_ms: NonZeroU64,
    slots_per_epoch: NonZeroU64,
    /// Fork schedule.
    pub forks: ForkSchedule,
}

impl ChainSpec {
    /// A chain with slots of `slot_ms` milliseconds (at most a day), `slots_per_epoch` to the epoch (at most 8,192).
    pub fn new(
        genesis_time: UnixMillis,
        genesis_validators_root: Root,
        slot_ms: u64,
        slots_per_epoch: u64,
        forks: ForkSchedule,
    ) -> Result<Self, InvalidSpec> {
        let within = |value: u64, most: u64, name| {
            NonZeroU64::new(value).filter(|v| v.get() <= most).ok_or(InvalidSpec::OutOfRange(name))
        };
        Ok(Self {
            genesis_time,
            genesis_validators_root,
            slot_ms: within(slot_ms, 86_400_000, "slot duration")?,
            slots_per_epoch: within(slots_per_epoch, 8_192, "slots per epoch")?,
            forks,
        })
    }

    /// Length of a slot in milliseconds.
    pub const fn slot_ms(&self) -> u64 {
        self.slot_ms.get()
    }

    /// Slots in an epoch.
    pub const fn slots_per_epoch(&self) -> u64 {
        self.slots_per_epoch.get()
    }

    /// The epoch that `slot` belongs to.
    pub const fn epoch_of(&self, slot: Slot) -> Epoch {
        Epoch::new(slot.get() / self.slots_per_epoch.get())
    }

    /// The first slot of `epoch`.
    pub const fn first_slot(&self, epoch: Epoch) -> Slot {
        Slot::new(epoch.get().saturating_mul(self.slots_per_epoch.get()))
    }

    /// Whether `slot` is the last of its epoch.
    pub const fn ends_epoch(&self, slot: Slot) -> bool {
        slot.get() % self.slots_per_epoch.get() == self.slots_per_epoch.get() - 1
    }

    /// The moment at which `slot` starts.
    pub const fn slot_start(&self, slot: Slot) -> UnixMillis {
        self.genesis_time.saturating_add(slot.get().saturating_mul(self.slot_ms.get()))
    }

    /// The slot at `now`; `None` before genesis.
    pub const fn slot_at(&self, now: UnixMillis) -> Option<Slot> {
        match now.get().checked_sub(self.genesis_time.get()) {
            Some(elapsed) => Some(Slot::new(elapsed / self.slot_ms.get())),
            None => None,
        }
    }

    /// The moment at which attestations of `slot` are due: one third into it.
    pub const fn attestation_due(&self, slot: Slot) -> UnixMillis {
        self.slot_start(slot).saturating_add(self.slot_ms.get() / 3)
    }

    /// The domain of a message of this kind in `epoch`.
    ///
    /// Errors: [`UnknownFork`] beyond the fork schedule.
    /// Source: consensus-specs, phase0/beacon-chain.md, `get_domain`.
    pub fn domain(&self, kind: DomainType, epoch: Epoch) -> Result<Domain, UnknownFork> {
        let fork = self.forks.at(epoch)?;
        Ok(compute_domain(kind, fork.version, self.genesis_validators_root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(name: ForkName, epoch: u64) -> ScheduledFork {
        ScheduledFork { name, epoch: Epoch::new(epoch), version: ForkVersion::new([epoch as u8; 4]) }
    }

    #[test]
    fn the_fork_in_effect_is_the_latest_that_has_started_and_none_beyond_the_horizon() {
        let schedule = ForkSchedule::new(
            vec![fork(ForkName::Deneb, 0), fork(ForkName::Electra, 0), fork(ForkName::Fulu, 7)],
            Epoch::new(9),
        )
        .unwrap();
        for (epoch, expected) in [
            (0, Some(ForkName::Electra)),
            (6, Some(ForkName::Electra)),
            (7, Some(ForkName::Fulu)),
            (8, Some(ForkName::Fulu)),
            (9, None),
            (u64::MAX, None),
        ] {
            assert_eq!(schedule.at(Epoch::new(epoch)).ok().map(|f| f.name), expected, "epoch {epoch}");
        }
    }

    #[test]
    fn a_schedule_without_genesis_or_out_of_order_is_refused() {
        assert_eq!(ForkSchedule::new(vec![], Epoch::FAR_FUTURE), Err(InvalidSpec::NothingAtGenesis));
        assert_eq!(
            ForkSchedule::new(vec![fork(ForkName::Fulu, 1)], Epoch::FAR_FUTURE),
            Err(InvalidSpec::NothingAtGenesis)
        );
        let backwards = vec![fork(ForkName::Electra, 0), fork(ForkName::Fulu, 9), fork(ForkName::Fulu, 3)];
        assert_eq!(ForkSchedule::new(backwards, Epoch::FAR_FUTURE), Err(InvalidSpec::OutOfOrder("fulu")));
    }

    #[test]
    fn slots_epochs_and_moments_convert_without_overflow_at_the_edges() {
        let forks = ForkSchedule::new(vec![fork(ForkName::Fulu, 0)], Epoch::FAR_FUTURE).unwrap();
        let spec =
            ChainSpec::new(UnixMillis::new(1_000), Root::new([0; 32]), 12_000, 32, forks.clone()).unwrap();
        assert_eq!(spec.slot_at(UnixMillis::new(999)), None);
        assert_eq!(spec.slot_at(UnixMillis::new(1_000)), Some(Slot::new(0)));
        assert_eq!(spec.slot_at(UnixMillis::new(12_999)), Some(Slot::new(0)));
        assert_eq!(spec.slot_at(UnixMillis::new(13_000)), Some(Slot::new(1)));
        assert_eq!(spec.attestation_due(Slot::new(1)), UnixMillis::new(17_000));
        assert_eq!(spec.epoch_of(Slot::new(63)), Epoch::new(1));
        assert!(spec.ends_epoch(Slot::new(63)) && !spec.ends_epoch(Slot::new(64)));
        assert_eq!(spec.slot_start(Slot::new(u64::MAX)), UnixMillis::new(u64::MAX));
        assert_eq!(spec.first_slot(Epoch::new(u64::MAX)), Slot::new(u64::MAX));
        assert!(ChainSpec::new(UnixMillis::new(0), Root::new([0; 32]), 0, 32, forks.clone()).is_err());
        assert!(ChainSpec::new(UnixMillis::new(0), Root::new([0; 32]), 12_000, 0, forks).is_err());
    }
}
