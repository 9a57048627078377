//! What the signer sees of a block.

use hearth_types::{
    ChainSpec, DomainType, Root, SigningRoot, Slot, UnknownFork, ValidatorIndex, compute_signing_root,
};
use tree_hash::TreeHash;
use tree_hash_derive::TreeHash;

/// A block with its body reduced to a root. Its hash-tree-root is that of the block.
///
/// The signer takes a header, not a root, so that the slot on record is the slot inside what is signed.
///
/// Source: consensus-specs, phase0/beacon-chain.md, `BeaconBlockHeader`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TreeHash)]
pub struct BlockHeader {
    /// Slot of the block.
    pub slot: Slot,
    /// The validator that proposes it.
    pub proposer_index: ValidatorIndex,
    /// Root of the block it builds on.
    pub parent_root: Root,
    /// Root of the state after it.
    pub state_root: Root,
    /// Hash-tree-root of its body; of a blinded block, the same as of the full one.
    pub body_root: Root,
}

impl BlockHeader {
    /// What the proposer's key signs.
    ///
    /// Errors: [`UnknownFork`] when the slot lies beyond the configured fork schedule.
    /// Source: consensus-specs, phase0/validator.md, `get_block_signature`.
    pub fn signing_root(&self, spec: &ChainSpec) -> Result<SigningRoot, UnknownFork> {
        let domain = spec.domain(DomainType::BeaconProposer, spec.epoch_of(self.slot))?;
        Ok(compute_signing_root(Root::new(self.tree_hash_root().0), domain))
    }
}
