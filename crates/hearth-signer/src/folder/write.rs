//! New key shares go to disk all together or not at all.

use std::io;
use std::path::{Path, PathBuf};

use hearth_crypto::SecretKey;
use rand::CryptoRng;
use thiserror::Error;

use super::{Progress, stem};
use crate::cores::{available, spread};
use crate::files::{self, Workplace};
use crate::keystore::{self, Cost, Password, Randomness};

/// Why key shares were not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Something is there already, and it stays.
    #[error("{} is not an empty folder; nothing in it is overwritten", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes `shares` in the order of the validators of the lock, each with a random password of its own.
///
/// `folder` must be absent or empty, its parent must exist. Files are for the owner alone (0600 in 0700). They are
/// made ready in a hidden folder beside it, which takes its name once all of them are on disk: after a power cut
/// there is either the whole folder or a hidden one ending in `.tmp`, which may be deleted.
///
/// Uses all cores, and blocks for about 0.06 s of one core a share at [`Cost::Standard`].
///
/// Errors: [`WriteError`]; then nothing has been written, unless what failed was the very last flush.
pub fn write(
    folder: &Path,
    shares: &[SecretKey],
    cost: Cost,
    rng: &mut impl CryptoRng,
    mut progress: impl FnMut(Progress),
) -> Result<(), WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError::Io { path, source }
    };
    refuse_if_occupied(folder)?;
    let draft = Workplace::beside(folder, rng).map_err(failed(folder))?;
    files::create_folder(draft.path()).map_err(failed(draft.path()))?;

    // Randomness is drawn here, in order, so that the lanes need no generator of their own.
    let sheets = shares.iter().enumerate().map(|(number, share)| Sheet::draw(number, share, rng)).collect();
    let write_one = |sheet: Sheet<'_>| {
        let keystore = keystore::encrypt_with(sheet.share, &sheet.password, cost, &sheet.random);
        let stem = stem(cost, sheet.number);
        for (ending, content) in [("json", keystore.as_str()), ("txt", sheet.password.reveal())] {
            let path = draft.path().join(format!("{stem}.{ending}"));
            files::create(&path, content.as_bytes()).map_err(failed(&path))?;
        }
        Ok(())
    };
    let total = shares.len();
    spread(sheets, available(), write_one, |done| progress(Progress { done, total }))?;

    files::sync_folder(draft.path()).map_err(failed(draft.path()))?;
    put_in_place(draft.path(), folder)?;
    files::sync_folder(files::parent(folder)).map_err(failed(folder))
}

/// Everything that one keystore is made from.
struct Sheet<'a> {
    number: usize,
    share: &'a SecretKey,
    password: Password,
    random: Randomness,
}

impl<'a> Sheet<'a> {
    fn draw(number: usize, share: &'a SecretKey, rng: &mut impl CryptoRng) -> Self {
        Self { number, share, password: Password::generate(rng), random: Randomness::draw(rng) }
    }
}

pub(super) fn refuse_if_occupied(folder: &Path) -> Result<(), WriteError> {
    let occupied = || WriteError::Occupied { path: folder.to_owned() };
    let failed = |source| WriteError::Io { path: folder.to_owned(), source };
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.is_dir() => Err(occupied()),
        Ok(_) if std::fs::read_dir(folder).map_err(failed)?.next().is_some() => Err(occupied()),
        Ok(_) => Ok(()),
    }
}

/// Gives the finished folder its name. Both steps fail where anything has appeared in the meantime.
pub(super) fn put_in_place(draft: &Path, folder: &Path) -> Result<(), WriteError> {
    let moved = match std::fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::rename(draft, folder),
    };
    moved.map_err(|source| match source.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            WriteError::Occupied { path: folder.to_owned() }
        }
        _ => WriteError::Io { path: folder.to_owned(), source },
    })
}
