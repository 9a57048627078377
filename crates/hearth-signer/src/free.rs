//! Messages that cannot get a validator slashed, and what a key signs for each.
//!
//! Each kind has a signature domain of its own, which is neither that of votes nor that of blocks; a signature over
//! one of these messages is therefore never a signature over a vote or a block, whatever the message says.

use hearth_types::{
    ChainSpec, DomainType, Epoch, ExecutionAddress, ForkName, ForkVersion, Gwei, Root, SigningRoot, Slot,
    UnknownFork, ValidatorIndex, ValidatorPubkey, compute_domain, compute_signing_root,
};
use thiserror::Error;
use tree_hash::TreeHash;
use tree_hash_derive::TreeHash;

/// Everything that is signed without a record.
///
/// Source of message roots and domains: `obol-duties.md` 6.3; consensus-specs, phase0/validator.md and
/// altair/validator.md; for deposits and registrations `obol-cluster.md` 6.1 and 6.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FreeMessage {
    /// Randomness of a proposal in this epoch.
    Randao {
        /// The epoch of the proposal.
        epoch: Epoch,
    },
    /// Leaves the validator set, for good.
    VoluntaryExit {
        /// First epoch in which the exit may be included.
        epoch: Epoch,
        /// The validator.
        validator_index: ValidatorIndex,
    },
    /// Tells block builders whom to pay.
    ValidatorRegistration(ValidatorRegistration),
    /// Enters the validator set.
    Deposit(DepositMessage),
    /// Decides whether the validator aggregates the votes of its committee in this slot.
    SelectionProof {
        /// The slot.
        slot: Slot,
    },
    /// A sync committee vote for the head of the chain.
    SyncCommitteeMessage {
        /// Slot of the vote.
        slot: Slot,
        /// Root of the block that is the head.
        beacon_block_root: Root,
    },
    /// Decides whether the validator aggregates the votes of a sync subcommittee in this slot.
    SyncCommitteeSelection {
        /// The slot.
        slot: Slot,
        /// The subcommittee, `0..4`.
        subcommittee_index: u64,
    },
}

/// A registration with block builders.
///
/// Source: builder-specs, `ValidatorRegistrationV1`; `obol-cluster.md` 6.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TreeHash)]
pub struct ValidatorRegistration {
    /// Who gets the fees of the validator's blocks.
    pub fee_recipient: ExecutionAddress,
    /// Gas limit that the validator votes for.
    pub gas_limit: u64,
    /// When it was made, in seconds since 1970; the newest registration holds.
    pub timestamp_s: u64,
    /// Group public key of the validator.
    pub pubkey: ValidatorPubkey,
}

/// A deposit before it is signed.
///
/// Source: consensus-specs, phase0/beacon-chain.md, `DepositMessage`; `obol-cluster.md` 6.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TreeHash)]
pub struct DepositMessage {
    /// Group public key of the validator.
    pub pubkey: ValidatorPubkey,
    /// Where withdrawals go: a type byte, 11 zero bytes and an execution address.
    pub withdrawal_credentials: [u8; 32],
    /// What is deposited.
    pub amount: Gwei,
}

/// The fork schedule does not tell under which fork version a message is to be signed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum NoDomain {
    /// The message belongs to an epoch that this version cannot sign for.
    #[error(transparent)]
    UnknownFork(#[from] UnknownFork),
    /// The message is always signed under this fork's version, which the schedule leaves out.
    #[error("the fork schedule does not name the version of {}", .0.as_str())]
    NotScheduled(ForkName),
}

impl FreeMessage {
    /// The domain that this kind of message is signed in.
    pub const fn domain_type(&self) -> DomainType {
        match self {
            Self::Randao { .. } => DomainType::Randao,
            Self::VoluntaryExit { .. } => DomainType::VoluntaryExit,
            Self::ValidatorRegistration(_) => DomainType::ApplicationBuilder,
            Self::Deposit(_) => DomainType::Deposit,
            Self::SelectionProof { .. } => DomainType::SelectionProof,
            Self::SyncCommitteeMessage { .. } => DomainType::SyncCommittee,
            Self::SyncCommitteeSelection { .. } => DomainType::SyncCommitteeSelectionProof,
        }
    }

    /// What a validator's key signs for the message on this chain.
    ///
    /// Errors: [`NoDomain`], when the schedule ends before the message or lacks the fork that it is bound to.
    pub fn signing_root(&self, spec: &ChainSpec) -> Result<SigningRoot, NoDomain> {
        let in_epoch = |object_root: Root, epoch: Epoch| -> Result<SigningRoot, NoDomain> {
            Ok(compute_signing_root(object_root, spec.domain(self.domain_type(), epoch)?))
        };
        match *self {
            Self::Randao { epoch } => in_epoch(root_of(&epoch), epoch),
            Self::VoluntaryExit { epoch, validator_index } => {
                // EIP-7044: an exit stays valid through all forks, so it is always signed under Capella's version.
                let version = version_of(spec, ForkName::Capella)?;
                let domain = compute_domain(self.domain_type(), version, spec.genesis_validators_root);
                Ok(compute_signing_root(root_of(&VoluntaryExit { epoch, validator_index }), domain))
            }
            Self::ValidatorRegistration(message) => {
                Ok(message.signing_root(version_of(spec, ForkName::Phase0)?))
            }
            Self::Deposit(message) => Ok(message.signing_root(version_of(spec, ForkName::Phase0)?)),
            Self::SelectionProof { slot } => in_epoch(root_of(&slot), spec.epoch_of(slot)),
            Self::SyncCommitteeMessage { slot, beacon_block_root } => {
                in_epoch(beacon_block_root, spec.epoch_of(slot))
            }
            Self::SyncCommitteeSelection { slot, subcommittee_index } => in_epoch(
                root_of(&SyncAggregatorSelectionData { slot, subcommittee_index }),
                spec.epoch_of(slot),
            ),
        }
    }

    /// The validator that the message itself names, if it does.
    pub(crate) const fn names(&self) -> Option<&ValidatorPubkey> {
        match self {
            Self::ValidatorRegistration(ValidatorRegistration { pubkey, .. })
            | Self::Deposit(DepositMessage { pubkey, .. }) => Some(pubkey),
            _ => None,
        }
    }
}

impl ValidatorRegistration {
    /// What the validator's key signs, on the chain with this fork version at genesis.
    pub fn signing_root(&self, genesis: ForkVersion) -> SigningRoot {
        compute_signing_root(root_of(self), timeless_domain(DomainType::ApplicationBuilder, genesis))
    }
}

impl DepositMessage {
    /// What the validator's key signs, on the chain with this fork version at genesis.
    pub fn signing_root(&self, genesis: ForkVersion) -> SigningRoot {
        compute_signing_root(root_of(self), timeless_domain(DomainType::Deposit, genesis))
    }
}

/// The domain of messages that are made before the chain knows the validator, perhaps before the chain exists.
fn timeless_domain(kind: DomainType, genesis: ForkVersion) -> hearth_types::Domain {
    compute_domain(kind, genesis, Root::new([0; 32]))
}

fn version_of(spec: &ChainSpec, name: ForkName) -> Result<ForkVersion, NoDomain> {
    let fork = spec.forks.forks().iter().find(|fork| fork.name == name);
    fork.map(|fork| fork.version).ok_or(NoDomain::NotScheduled(name))
}

fn root_of(message: &impl TreeHash) -> Root {
    Root::new(message.tree_hash_root().0)
}

#[derive(TreeHash)]
struct VoluntaryExit {
    epoch: Epoch,
    validator_index: ValidatorIndex,
}

#[derive(TreeHash)]
struct SyncAggregatorSelectionData {
    slot: Slot,
    subcommittee_index: u64,
}
