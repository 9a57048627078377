//! Key shares move from one folder to another, and their passwords from text files into a sealed one or back.

use std::collections::BTreeMap;

use hearth_types::ShareIndex;
use rand::CryptoRng;
use thiserror::Error;

use super::load::{LoadError, LockedValidator, open_all, read_all};
use super::write::{WriteError, put_in_place, refuse_if_occupied};
use super::{Passwords, Progress, Shelf};
use crate::files::{self, Workplace};
use crate::seal;

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
    let closed = read_all(from, validators.len())?;
    // What does not open here would not open there either, and then the original may be gone.
    drop(open_all(&closed, validators, Some(own), progress)?);

    let draft = Workplace::beside(to.folder, rng).map_err(failed(to.folder))?;
    let create = |name: &str, content: &[u8]| {
        let path = draft.path().join(name);
        files::create(&path, content).map_err(failed(&path))
    };
    files::create_folder(draft.path()).map_err(failed(draft.path()))?;
    for keystore in &closed {
        create(&format!("{}.json", keystore.stem), &keystore.json)?;
    }
    match to.passwords {
        Passwords::Beside => {
            for keystore in &closed {
                create(&format!("{}.txt", keystore.stem), keystore.password.reveal().as_bytes())?;
            }
        }
        Passwords::Sealed(key) => {
            let passwords: BTreeMap<_, _> =
                closed.into_iter().map(|keystore| (keystore.stem, keystore.password)).collect();
            create(seal::FILE_NAME, &seal::seal(&passwords, key, rng))?;
        }
    }
    files::sync_folder(draft.path()).map_err(failed(draft.path()))?;
    put_in_place(draft.path(), to.folder)?;
    Ok(files::sync_folder(files::parent(to.folder)).map_err(failed(to.folder))?)
}

fn failed(path: &std::path::Path) -> impl Fn(std::io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path: path.clone(), source }
}
