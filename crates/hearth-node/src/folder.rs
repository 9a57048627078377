//! A node's data folder: Charon's layout, with Hearth's own records beside it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A folder that this process alone uses, until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _exclusive: File,
}

/// A folder that cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Not there.
    #[error("there is no folder {}", .0.display())]
    Missing(PathBuf),
    /// Another process uses it.
    #[error("another hearth is already running on {}; two of them with one key share would get the validator slashed", .0.display())]
    InUse(PathBuf),
    /// It cannot be locked.
    #[error("cannot lock {}: {source}", path.display())]
    Unlockable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl DataFolder {
    /// Takes the folder for this process alone.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !path.is_dir() {
            return Err(FolderError::Missing(path.to_owned()));
        }
        let lock_path = path.join("hearth.lock");
        let unlockable = |source| FolderError::Unlockable { path: lock_path.clone(), source };
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(unlockable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _exclusive: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => Err(unlockable(source)),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The operator's secp256k1 key, in Charon's format.
    pub fn identity(&self) -> PathBuf {
        self.path.join("charon-enr-private-key")
    }

    /// The cluster's lock.
    pub fn lock(&self) -> PathBuf {
        self.path.join("cluster-lock.json")
    }

    /// Key shares, as EIP-2335 keystores.
    pub fn validator_keys(&self) -> PathBuf {
        self.path.join("validator_keys")
    }

    /// The record of what was signed.
    pub fn slashing(&self) -> PathBuf {
        self.path.join("slashing.sqlite")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_opener_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::InUse(_))));
        drop(first);
        assert!(DataFolder::open(folder.path()).is_ok());
        assert!(matches!(DataFolder::open(&folder.path().join("absent")), Err(FolderError::Missing(_))));
    }
}
