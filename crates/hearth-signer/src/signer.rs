//! The two doors to a signature: a permit, or a free message.

use hearth_slashing::{Refusal, SlashingDb, StorageError};
use hearth_types::{ChainSpec, SignatureBytes, UnknownFork, ValidatorPubkey, Vote};
use thiserror::Error;

use crate::{BlockHeader, FreeMessage, FreeRefusal, Keyring, UnknownValidator};

/// The keyring and the record of what it signed, as one. Blocks: it belongs on a thread of its own.
///
/// Nothing comes out of it that is not on disk first, and a validator whose share is not here leaves no record.
#[derive(Debug)]
pub struct Signer {
    keyring: Keyring,
    record: SlashingDb,
}

/// Why a vote or a block was not signed.
#[derive(Clone, Debug, Error)]
pub enum SignError {
    /// No share of that validator's key.
    #[error(transparent)]
    UnknownValidator(#[from] UnknownValidator),
    /// Signing it could get the validator slashed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record could not be written, so nothing of the batch was signed.
    #[error("nothing was signed: {0}")]
    NotRecorded(#[from] StorageError),
    /// The block is of an epoch that this version cannot sign for.
    #[error(transparent)]
    UnknownFork(#[from] UnknownFork),
}

impl Signer {
    /// A signer for these shares with this record.
    pub const fn new(keyring: Keyring, record: SlashingDb) -> Self {
        Self { keyring, record }
    }

    /// The validators that it signs for, and messages that need no record.
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The record, for export and import.
    pub const fn record(&mut self) -> &mut SlashingDb {
        &mut self.record
    }

    /// Signs the votes of one slot: one transaction for all of them, on disk before the first is signed.
    ///
    /// Answers in the order of `votes`.
    pub fn sign_attestations(
        &mut self,
        votes: &[(ValidatorPubkey, Vote)],
    ) -> Vec<Result<SignatureBytes, SignError>> {
        let ours = |validator: &ValidatorPubkey| self.keyring.holds(validator);
        let known: Vec<_> = votes.iter().filter(|(validator, _)| ours(validator)).copied().collect();
        let permits = match self.record.permit_attestations(&known) {
            Ok(permits) => permits,
            Err(error) => return votes.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let mut signatures = self.keyring.sign_all(permits).into_iter();
        let answer = |(validator, _): &(ValidatorPubkey, Vote)| match ours(validator) {
            true => signatures.next().map_or(Err(UnknownValidator(*validator).into()), |signed| Ok(signed??)),
            false => Err(UnknownValidator(*validator).into()),
        };
        votes.iter().map(answer).collect()
    }

    /// What [`Self::sign_attestations`] would refuse of these votes now, each by itself. Nothing is signed or recorded.
    ///
    /// Errors: the record cannot be read; then nothing could be signed either.
    pub fn refusals(
        &self,
        votes: &[(ValidatorPubkey, Vote)],
    ) -> Result<Vec<(ValidatorPubkey, Refusal)>, StorageError> {
        self.record.refusals(votes)
    }

    /// Signs a block, once it is on record that the validator proposed in its slot.
    ///
    /// Errors: [`SignError`].
    pub fn sign_block(
        &mut self,
        validator: &ValidatorPubkey,
        header: &BlockHeader,
        spec: &ChainSpec,
    ) -> Result<SignatureBytes, SignError> {
        let root = header.signing_root(spec)?;
        if !self.keyring.holds(validator) {
            return Err(UnknownValidator(*validator).into());
        }
        let permit = self.record.permit_block(*validator, header.slot, root)??;
        Ok(self.keyring.sign(permit)?)
    }

    /// Signs a message that cannot be slashed, with the share of `validator`.
    ///
    /// Errors: [`FreeRefusal`].
    pub fn sign_free(
        &self,
        validator: &ValidatorPubkey,
        message: &FreeMessage,
        spec: &ChainSpec,
    ) -> Result<SignatureBytes, FreeRefusal> {
        self.keyring.sign_free(validator, message, spec)
    }
}
