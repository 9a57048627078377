//! Key shares move from one folder to another, and their passwords from text files into a sealed one or back.

use hearth_types::ShareIndex;
use rand::CryptoRng;
use thiserror::Error;

use super::carry::Carried;
use super::load::{LoadError, LockedValidator};
use super::write::{WriteError, refuse_if_occupied};
use super::{Progress, Shelf};

/// Why key shares were not copied. The folder that they were to come from is as it was.
#[derive(Debug, Error)]
pub enum TransferError {
    /// They are not all there.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// They could not be put down.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Copies the keystores of this operator, one for every validator of the lock, as they are, and puts their passwords where
/// `to` says. Every keystore is opened first, which takes as long as loading them.
///
/// The folder of `to` must be absent or empty, its parent must exist; it appears whole or not at all, for the owner alone
/// (0600 in 0700).
///
/// Errors: [`TransferError`]; then nothing has been written, unless what failed was the very last flush.
pub fn transfer(
    from: Shelf<'_>,
    to: Shelf<'_>,
    validators: &[LockedValidator],
    own: ShareIndex,
    rng: &mut impl CryptoRng,
    progress: impl FnMut(Progress),
) -> Result<(), TransferError> {
    refuse_if_occupied(to.folder)?;
    let carried = Carried::read(from, validators.len())?;
    // What does not open here would not open there either, and then the original may be gone.
    carried.check(validators, own, progress)?;
    Ok(carried.put(to, rng)?)
}
