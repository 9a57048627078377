//! Registrations with block builders.
//!
//! Source: `obol-cluster.md` 6.3; builder-specs, `ValidatorRegistrationV1`.

use hearth_types::{DomainType, ForkVersion, Root, SigningRoot, compute_domain, compute_signing_root};

use super::merkle::{Leaves, Oversize};
use super::model::Registration;

/// Gas limit of registrations where the plan says zero.
pub const DEFAULT_GAS_LIMIT: u64 = 30_000_000;

impl Registration {
    /// Root of the message without its domain.
    pub fn message_root(&self) -> Result<Root, Oversize> {
        let mut message = Leaves::new();
        message.fixed(&self.fee_recipient, 20)?;
        message.number(self.gas_limit);
        message.number(self.timestamp);
        message.fixed(&self.public_key, 48)?;
        Ok(Root::new(message.container()))
    }

    /// What the validator's key signs. The domain is always that of genesis.
    pub fn signing_root(&self, genesis: ForkVersion) -> Result<SigningRoot, Oversize> {
        let domain = compute_domain(DomainType::ApplicationBuilder, genesis, Root::new([0; 32]));
        Ok(compute_signing_root(self.message_root()?, domain))
    }

    /// Adds the message and its signature as one leaf.
    pub(super) fn put(&self, to: &mut Leaves) -> Result<(), Oversize> {
        // Other writers then leave the leaf out, and such a lock never verifies anyway.
        if self.fee_recipient.is_empty() {
            return Err(Oversize::NoFeeRecipient);
        }
        let mut leaves = Leaves::new();
        leaves.root(*self.message_root()?.as_bytes());
        leaves.fixed(&self.signature, 96)?;
        to.root(leaves.container());
        Ok(())
    }
}
