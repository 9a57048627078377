//! Everything that can be checked about a lock file, for people.

use std::io::Read;
use std::path::{Path, PathBuf};

use hearth_obol::cluster::{Lock, MAX_FILE_BYTES, Networks, Outcome, ParseError, VerifiedLock};
use thiserror::Error;

use crate::settings::Testnet;

/// A lock file that cannot even be checked.
#[derive(Debug, Error)]
pub enum LockFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a cluster lock.
    #[error("{} is not a cluster lock: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with its form.
        source: ParseError,
    },
    /// It does not verify.
    #[error("{} must not be used: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The first check that failed.
        reason: String,
    },
}

/// One check and what it found.
#[derive(Clone, Debug)]
pub struct LockCheck {
    /// What was checked, and its outcome, in a sentence.
    pub sentence: String,
    /// Whether the lock may not be used because of it.
    pub failed: bool,
    /// Whether the owner should know, although the lock may be used.
    pub warned: bool,
}

/// Checks everything about a lock file and tells all of it.
pub fn verify_lock_file(path: &Path, testnet: Option<&Testnet>) -> Result<Vec<LockCheck>, LockFileError> {
    let lock = read(path)?;
    let findings = lock.verify_all(&networks(testnet));
    let check = |finding: hearth_obol::cluster::Finding| LockCheck {
        sentence: finding.to_string(),
        failed: matches!(finding.outcome, Outcome::Failed(_)),
        warned: matches!(finding.outcome, Outcome::Warning(_)),
    };
    Ok(findings.into_iter().map(check).collect())
}

/// Reads a lock that a node may act on.
pub(crate) fn read_verified(path: &Path, testnet: Option<&Testnet>) -> Result<VerifiedLock, LockFileError> {
    let refused = |error: hearth_obol::cluster::VerifyError| LockFileError::Refused {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    read(path)?.verify(&networks(testnet)).map_err(refused)
}

fn networks(testnet: Option<&Testnet>) -> Networks {
    match testnet {
        Some(testnet) => Networks::known().with(testnet.network()),
        None => Networks::known(),
    }
}

fn read(path: &Path) -> Result<Lock, LockFileError> {
    let unreadable = |source| LockFileError::Unreadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is not a file")));
    }
    // One byte more than a lock may have tells the reader that there is more.
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Lock::from_json(&bytes).map_err(|source| LockFileError::Malformed { path: path.to_owned(), source })
}
