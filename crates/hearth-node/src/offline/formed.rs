//! The files of a cluster that was formed by a ceremony, in the folder of the node that took part.

use std::path::{Path, PathBuf};

use hearth_obol::ceremony::Formed;
use hearth_obol::cluster::Network;
use hearth_signer::folder::{self, WriteError};
use hearth_signer::keystore::Cost;
use thiserror::Error;

use super::draft::{Draft, Unwritable, put};
use crate::folder::LOCK;
use crate::settings::{self, Testnet};

/// Why the files are not there. None of them is.
#[derive(Debug, Error)]
pub enum SaveError {
    /// A file or folder cannot be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// Nor the key shares.
    #[error(transparent)]
    Keystores(#[from] WriteError),
    /// The folder has a cluster, or the rest of one.
    #[error("{} is there already; a ceremony needs a folder with the node's key and no cluster", .0.display())]
    Taken(PathBuf),
}

/// Whether a cluster's files can be written to a folder: nothing of one is there, and the disk takes something.
pub(crate) fn check_room(folder: &Path) -> Result<(), SaveError> {
    let taken = |name: &str| {
        matches!(name, "validator_keys" | LOCK) || name.starts_with("deposit-data") || name == "slashing.sqlite"
    };
    let entries = std::fs::read_dir(folder).map_err(Unwritable::at(folder))?;
    let found = entries.flatten().find(|entry| taken(&entry.file_name().to_string_lossy()));
    if let Some(entry) = found {
        return Err(SaveError::Taken(entry.path()));
    }
    let draft = Draft::of(folder)?;
    put(&draft.path().join("trial"), b"trial", 0o600)?;
    Ok(())
}

/// Whether the folder has this very cluster: the lock is written last.
pub(crate) fn holds(place: &Path, formed: &Formed) -> bool {
    std::fs::read(place.join(LOCK)).is_ok_and(|text| text == formed.lock_json.as_bytes())
}

/// Writes them all, or none. Blocks for about 0.06 s of one core a key share, unless `cost` is none.
pub(crate) fn save(
    place: &Path,
    formed: &Formed,
    network: &Network,
    cost: Cost,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(), SaveError> {
    check_room(place)?;
    let draft = Draft::of(place)?;
    let node = draft.folder("node")?;
    folder::write(&node.join(folder::FOLDER_NAME), &formed.shares, cost, &mut rand::rng(), |keystores| {
        progress(keystores.done, keystores.total);
    })?;
    for deposit in &formed.deposits {
        put(&node.join(&deposit.name), deposit.json.as_bytes(), 0o444)?;
    }
    // What was described before stays as it is described.
    let described = place.join(settings::FILE_NAME).exists();
    if let (Some(testnet), false) = (Testnet::of(network), described) {
        put(&node.join(settings::FILE_NAME), testnet.to_toml().as_bytes(), 0o600)?;
    }
    put(&node.join(LOCK), formed.lock_json.as_bytes(), 0o400)?;
    // Last: its presence says that the folder is whole.
    Ok(draft.publish_folder(&node, place, LOCK)?)
}
