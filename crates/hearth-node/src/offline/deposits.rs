//! The deposit files beside a lock: read, and every deposit in them checked again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_obol::cluster::{DepositFileError, Network, UsableLock, read_deposit_file, withdrawal_credentials};
use hearth_types::ExecutionAddress;
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
    /// The money would go to somebody else.
    #[error(
        "{} must not be used for a deposit: it would let the stake be withdrawn to another address than the plan says",
        .0.display()
    )]
    OtherAddress(PathBuf),
}

/// Where the stake of each validator of a cluster may go, by its public key; `None` where the plan names no address.
pub(super) type Credentials = BTreeMap<[u8; 48], Option<[u8; 32]>>;

/// As the plan of the cluster has them.
pub(super) fn credentials(lock: &UsableLock) -> Credentials {
    let plan = &lock.lock().definition;
    let of = |position| {
        let address: ExecutionAddress = plan.addresses_of(position)?.withdrawal.parse().ok()?;
        Some(withdrawal_credentials(&address, plan.compounding))
    };
    lock.validators().iter().enumerate().map(|(at, keys)| (keys.group.to_bytes(), of(at))).collect()
}

/// A deposit file that was read.
pub(super) struct Sheet {
    pub(super) name: String,
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

/// Reads one, checks every root and signature in it, and that each is for one of these validators and pays where it should.
pub(super) fn read(path: &Path, network: &Network, credentials: &Credentials) -> Result<Sheet, DepositsError> {
    let unreadable = |source| DepositsError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MOST_BYTES {
        return Err(unreadable(io::Error::other(format!("it has {size} bytes, which no deposit file has"))));
    }
    let content = fs::read(path).map_err(unreadable)?;
    let refused = |source| DepositsError::Refused { path: path.to_owned(), source };
    let deposits = read_deposit_file(&content, network).map_err(refused)?;
    for deposit in &deposits {
        let planned = credentials.get(deposit.public_key.as_slice());
        match planned.ok_or_else(|| DepositsError::Strange(path.to_owned()))? {
            Some(planned) if planned[..] == deposit.withdrawal_credentials[..] => {}
            _ => return Err(DepositsError::OtherAddress(path.to_owned())),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Sheet { name, deposits: deposits.len() })
}
