//! The operator's secp256k1 key at rest: `charon-enr-private-key`.
//!
//! Content: 64 hex digits without `0x` and without a line break. Who loses this file cannot take part in the cluster;
//! who copies it can speak as the operator. It is therefore created once and never overwritten.
//!
//! Source: `obol-cluster.md` 9.1.

use std::io;
use std::path::{Path, PathBuf};

use hearth_crypto::k1::NodeKey;
use rand::CryptoRng;
use thiserror::Error;

use crate::files::{self, ReadError, Workplace};

/// Name of the file in an operator's folder.
pub const FILE_NAME: &str = "charon-enr-private-key";

/// The file has 64 bytes; this leaves room for white space around them.
const MOST_BYTES: usize = 1 << 10;

/// Why an identity could not be created or loaded.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// There is one already, and it stays.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not 64 hex digits of a valid key.
    #[error("{} does not hold a secp256k1 key of 64 hex digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes a new identity and stores it at `path`, as [`store`] does.
pub fn create(path: &Path, rng: &mut impl CryptoRng) -> Result<NodeKey, IdentityError> {
    let key = NodeKey::generate(rng);
    store(path, &key, rng)?;
    Ok(key)
}

/// Stores a key at `path` for the owner alone (0600), whole or not at all. The folder must exist.
///
/// Errors: [`IdentityError::Exists`] where anything is at `path`; [`IdentityError::Io`].
pub fn store(path: &Path, key: &NodeKey, rng: &mut impl CryptoRng) -> Result<(), IdentityError> {
    let failed = |source| IdentityError::Io { action: "create", path: path.to_owned(), source };
    let draft = Workplace::beside(path, rng).map_err(failed)?;
    files::create(draft.path(), key.to_hex().as_bytes()).map_err(failed)?;
    // A link, unlike a rename, never replaces.
    std::fs::hard_link(draft.path(), path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::Exists { path: path.to_owned() },
        _ => failed(source),
    })?;
    files::sync_folder(files::parent(path)).map_err(failed)
}

/// Loads the identity at `path`. White space around the digits is ignored.
///
/// Errors: [`IdentityError::Malformed`], [`IdentityError::Io`].
pub fn load(path: &Path) -> Result<NodeKey, IdentityError> {
    let malformed = || IdentityError::Malformed { path: path.to_owned() };
    let content = files::read(path, MOST_BYTES).map_err(|error| match error {
        ReadError::TooLarge => malformed(),
        ReadError::Io(source) => IdentityError::Io { action: "read", path: path.to_owned(), source },
    })?;
    let text = std::str::from_utf8(&content).map_err(|_| malformed())?;
    NodeKey::from_hex(text).map_err(|_| malformed())
}
