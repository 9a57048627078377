//! What of a gathering survives a restart: one file in the folder of the cluster that is to be.

use std::path::{Path, PathBuf};

use hearth_gathering::{Guest, Table};
use minicbor::{Decode, Encode};

use super::named::Named;
use crate::aside::replace_private;
use crate::ceremony::forget;
use crate::folder::{CLUSTERS, LOCK};

/// Name of the file. It has secrets of invitations.
pub(super) const FILE: &str = "gathering.cbor";

/// Which side this node is on.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum Side {
    /// It has invited.
    #[n(0)]
    Organiser(#[n(0)] Box<Table>),
    /// It was invited.
    #[n(1)]
    Guest(#[n(0)] Box<Guest>),
    /// Somebody else's definition names it, or will.
    #[n(2)]
    Named(#[n(0)] Box<Named>),
}

/// A gathering on disk.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Kept {
    #[n(0)]
    pub(super) side: Side,
    /// Where this node listens.
    #[n(1)]
    pub(super) listen: Vec<String>,
    /// Where the others reach it.
    #[n(2)]
    pub(super) addresses: Vec<String>,
    #[n(3)]
    pub(super) nickname: String,
    /// Whether it is in a ceremony: it goes back to it, where it goes on, or is told that it does not.
    #[n(4)]
    pub(super) in_ceremony: bool,
    /// Relays through which this node is reached and reaches others.
    #[n(5)]
    pub(super) relays: Vec<String>,
}

impl Kept {
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let bytes = minicbor::to_vec(self).map_err(std::io::Error::other)?;
        replace_private(&folder.join(FILE), &bytes)
    }

    /// The gathering that an earlier run left, with its folder.
    pub(super) fn find(home: &Path) -> Option<(PathBuf, Self)> {
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(home.join(CLUSTERS)).ok()?.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        folders.into_iter().find_map(|folder| {
            let bytes = std::fs::read(folder.join(FILE)).ok()?;
            if folder.join(LOCK).exists() {
                // The ceremony was over, and the node stopped before it had tidied up.
                let _left = std::fs::remove_file(folder.join(FILE));
                let _secrets = forget(&folder);
                return None;
            }
            match minicbor::decode(&bytes) {
                Ok(kept) => Some((folder, kept)),
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "a cluster that was being formed cannot be gone on with");
                    None
                }
            }
        })
    }
}
