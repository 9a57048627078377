//! The deposit files beside a lock: read, and every deposit in them checked again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_obol::cluster::{DepositFileError, Network, read_deposit_file};
use thiserror::Error;

/// Bytes of a file that are read: 65,536 validators take about 40 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// A deposit file that must not be used. Each variant names the file.
#[derive(Debug, Error)]
pub enum DepositsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Money sent with it would be lost.
    #[error("{} must not be used for a deposit: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DepositFileError,
    },
    /// It is for other validators.
    #[error("{} is for a validator that this cluster does not have", .0.display())]
    Strange(PathBuf),
}

/// A deposit file that was read.
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    /// Deposits in it.
    pub(super) deposits: usize,
}

/// The deposit files in a folder, by name.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, DepositsError> {
    let unreadable = |source| DepositsError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if is_deposit_file(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file of this name holds deposits.
pub(super) fn is_deposit_file(name: &str) -> bool {
    name.starts_with("deposit-data") && name.ends_with(".json")
}

/// Reads one, checks every root and signature in it, and that each is for one of these validators.
pub(super) fn read(
    path: &Path,
    network: &Network,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Result<Sheet, DepositsError> {
    let unreadable = |source| DepositsError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MOST_BYTES {
        return Err(unreadable(io::Error::other(format!("it has {size} bytes, which no deposit file has"))));
    }
    let content = fs::read(path).map_err(unreadable)?;
    let refused = |source| DepositsError::Refused { path: path.to_owned(), source };
    let deposits = read_deposit_file(&content, network).map_err(refused)?;
    if !deposits.iter().all(|deposit| is_ours(&deposit.public_key)) {
        return Err(DepositsError::Strange(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Sheet { name, content, deposits: deposits.len() })
}
