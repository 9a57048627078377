//! From a message to the 32 bytes that a validator key signs.

use tree_hash::TreeHash;
use tree_hash_derive::TreeHash;

use crate::{
    AttestationData, ChainSpec, Checkpoint, Domain, Epoch, ForkVersion, Root, SigningRoot, Slot, UnknownFork,
};

/// Kinds of signature domains.
///
/// Source: consensus-specs, domain types of phase0, altair and the builder specification.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum DomainType {
    /// Blocks.
    BeaconProposer = 0x0000_0000,
    /// Attestations.
    BeaconAttester = 0x0100_0000,
    /// Randomness of a proposal.
    Randao = 0x0200_0000,
    /// Deposits.
    Deposit = 0x0300_0000,
    /// Exits.
    VoluntaryExit = 0x0400_0000,
    /// Aggregator selection.
    SelectionProof = 0x0500_0000,
    /// Aggregates.
    AggregateAndProof = 0x0600_0000,
    /// Sync committee votes.
    SyncCommittee = 0x0700_0000,
    /// Sync aggregator selection.
    SyncCommitteeSelectionProof = 0x0800_0000,
    /// Sync contributions.
    ContributionAndProof = 0x0900_0000,
    /// Builder registrations.
    ApplicationBuilder = 0x0000_0001,
}

impl DomainType {
    const fn to_bytes(self) -> [u8; 4] {
        (self as u32).to_be_bytes()
    }
}

#[derive(TreeHash)]
struct ForkData {
    current_version: ForkVersion,
    genesis_validators_root: Root,
}

#[derive(TreeHash)]
struct SigningData {
    object_root: Root,
    domain: Domain,
}

/// The domain of a kind of message under one fork version of one chain.
///
/// Source: consensus-specs, phase0/beacon-chain.md, `compute_domain`.
pub fn compute_domain(kind: DomainType, version: ForkVersion, genesis_validators_root: Root) -> Domain {
    let fork = ForkData { current_version: version, genesis_validators_root }.tree_hash_root();
    let mut domain = [0; 32];
    let (tag, rest) = domain.split_at_mut(4);
    tag.copy_from_slice(&kind.to_bytes());
    rest.iter_mut().zip(fork.iter()).for_each(|(to, from)| *to = *from);
    Domain::new(domain)
}

/// What a key signs for a message whose hash-tree-root is `object_root`.
///
/// Source: consensus-specs, phase0/beacon-chain.md, `compute_signing_root`.
pub fn compute_signing_root(object_root: Root, domain: Domain) -> SigningRoot {
    SigningRoot::new(SigningData { object_root, domain }.tree_hash_root().0)
}

/// An attestation reduced to what decides whether it is slashable, and the root that its signature covers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Vote {
    /// Slot of the attestation.
    pub slot: Slot,
    /// Source epoch.
    pub source: Epoch,
    /// Target epoch.
    pub target: Epoch,
    /// Root that a validator's key signs.
    pub root: SigningRoot,
}

/// The vote that `data` casts on this chain.
///
/// Errors: [`UnknownFork`] when the target epoch lies beyond the configured fork schedule.
/// Source: consensus-specs, phase0/validator.md, `get_attestation_signature`.
pub fn vote_of(spec: &ChainSpec, data: &AttestationData) -> Result<Vote, UnknownFork> {
    let AttestationData {
        slot,
        source: Checkpoint { epoch: source, .. },
        target: Checkpoint { epoch: target, .. },
        ..
    } = *data;
    let domain = spec.domain(DomainType::BeaconAttester, target)?;
    let root = compute_signing_root(Root::new(data.tree_hash_root().0), domain);
    Ok(Vote { slot, source, target, root })
}
