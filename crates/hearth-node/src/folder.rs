//! A node's data folder: Charon's layout, with Hearth's own records beside it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where the folders of further clusters lie in a node's data folder.
pub(crate) const CLUSTERS: &str = "clusters";
/// A folder that has this file is a cluster's.
pub(crate) const LOCK: &str = "cluster-lock.json";

/// The folders of a node's clusters: the data folder itself, where it is one's, then each one's in `clusters/`, by name.
pub(crate) fn cluster_folders(data_folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(data_folder.join(CLUSTERS)) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut folders: Vec<_> = entries.into_iter().filter(|folder| folder.join(LOCK).exists()).collect();
    folders.sort();
    if data_folder.join(LOCK).exists() {
        folders.insert(0, data_folder.to_owned());
    }
    Ok(folders)
}

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
    /// What is in it cannot be listed.
    #[error("cannot list {}: {source}", path.display())]
    Unlisted {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be locked.
    #[error("cannot lock {}: {source}", path.display())]
    Unlockable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
        self.path.join(LOCK)
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
    fn the_clusters_of_a_node_are_its_folder_and_those_in_a_folder_of_it() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::create_dir_all(home.path().join(name)).unwrap();
            std::fs::write(home.path().join(name).join(LOCK), "").unwrap();
        };
        let names = || -> Vec<String> {
            let name = |folder: PathBuf| folder.strip_prefix(home.path()).unwrap().display().to_string();
            cluster_folders(home.path()).unwrap().into_iter().map(name).collect()
        };
        assert_eq!(names(), Vec::<String>::new());
        std::fs::create_dir_all(home.path().join("clusters").join("no lock yet")).unwrap();
        make("clusters/b");
        assert_eq!(names(), ["clusters/b"]);
        make("");
        make("clusters/a");
        assert_eq!(names(), ["", "clusters/a", "clusters/b"]);
    }

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
