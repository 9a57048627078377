//! Something the chain asks of the cluster at a set time.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Slot;

/// Kinds of duty, with the numbers they have on the wire.
///
/// Source: `obol-duties.md` 2.1. The numbers never change; 5 is deprecated and always an error.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DutyKind {
    /// Propose a block.
    Proposer = 1,
    /// Attest to the head of the chain.
    Attester = 2,
    /// A bare signature; ceremonies only.
    Signature = 3,
    /// Leave the validator set.
    Exit = 4,
    /// Register with block builders.
    BuilderRegistration = 6,
    /// Reveal randomness before a proposal.
    Randao = 7,
    /// Prove that a validator aggregates for its committee.
    PrepareAggregator = 8,
    /// Aggregate the attestations of a committee.
    Aggregator = 9,
    /// Vote for the head as a member of the sync committee.
    SyncMessage = 10,
    /// Prove that a validator aggregates for its sync subcommittee.
    PrepareSyncContribution = 11,
    /// Aggregate the votes of a sync subcommittee.
    SyncContribution = 12,
    /// Agree on what the nodes of the cluster support.
    InfoSync = 13,
}

/// A duty number that no version of the protocol uses.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("duty type {0} does not exist")]
pub struct UnknownDutyKind(pub i64);

impl DutyKind {
    /// Every kind that exists.
    pub const ALL: [Self; 12] = [
        Self::Proposer,
        Self::Attester,
        Self::Signature,
        Self::Exit,
        Self::BuilderRegistration,
        Self::Randao,
        Self::PrepareAggregator,
        Self::Aggregator,
        Self::SyncMessage,
        Self::PrepareSyncContribution,
        Self::SyncContribution,
        Self::InfoSync,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number on the wire.
    pub fn from_number(number: i64) -> Result<Self, UnknownDutyKind> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.number()) == number).ok_or(UnknownDutyKind(number))
    }

    /// Name in messages for people and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposer => "proposer",
            Self::Attester => "attester",
            Self::Signature => "signature",
            Self::Exit => "exit",
            Self::BuilderRegistration => "builder_registration",
            Self::Randao => "randao",
            Self::PrepareAggregator => "prepare_aggregator",
            Self::Aggregator => "aggregator",
            Self::SyncMessage => "sync_message",
            Self::PrepareSyncContribution => "prepare_sync_contribution",
            Self::SyncContribution => "sync_contribution",
            Self::InfoSync => "info_sync",
        }
    }
}

/// A duty of the whole cluster: all its validators that have this kind of duty in this slot.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Duty {
    /// The slot in which it is due.
    pub slot: Slot,
    /// What is to be done.
    pub kind: DutyKind,
}

impl Duty {
    /// The attestations of a slot.
    pub const fn attester(slot: Slot) -> Self {
        Self { slot, kind: DutyKind::Attester }
    }
}

impl std::fmt::Display for Duty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.slot, self.kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duty_numbers_are_those_of_the_wire_and_five_does_not_exist() {
        let existing: Vec<i64> = (-1..=14).filter(|n| DutyKind::from_number(*n).is_ok()).collect();
        assert_eq!(existing, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]);
        for kind in DutyKind::ALL {
            assert_eq!(DutyKind::from_number(i64::from(kind.number())), Ok(kind));
        }
    }
}
