//! The deposit files beside a lock: read, and every deposit in them checked again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_api::{DepositDetail, DepositFile, DepositReply, ErrorCode, UiError};
use hearth_obol::cluster::{
    Deposit, DepositFileError, Network, UsableLock, read_deposit_file, withdrawal_credentials,
};
use hearth_types::{ExecutionAddress, ValidatorPubkey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::check::Scrutiny;
use crate::folder::LOCK;

/// Bytes of a file that are read: 65,536 validators take about 40 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// Where deposits are made in a browser.
const LAUNCHPADS: [(&str, &str); 3] = [
    ("mainnet", "https://launchpad.ethereum.org"),
    ("hoodi", "https://hoodi.launchpad.ethereum.org"),
    ("gnosis", "https://deposit.gnosischain.com"),
];

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
    /// What it deposits.
    pub(super) deposits: Vec<Deposit>,
    /// SHA-256 of the file.
    pub(super) hash: [u8; 32],
}

/// The deposit files in a cluster's folder, all of them in order.
pub(crate) fn checked_deposits(folder: &Path, scrutiny: &Scrutiny) -> Result<DepositReply, UiError> {
    let refused = |error: &dyn std::error::Error| UiError::because(ErrorCode::FileRefused, error);
    let (lock, _warned_at_the_start) =
        scrutiny.usable_lock(&folder.join(LOCK)).map_err(|error| refused(&error))?;
    let networks = scrutiny.networks();
    let unknown = || UiError::because(ErrorCode::FileRefused, "the network of the cluster is not known");
    let network = networks.by_fork_version(lock.fork_version()).ok_or_else(unknown)?;
    let credentials = credentials(&lock);
    let plan = &lock.lock().definition;
    let address = |key: &[u8]| {
        let position = lock.validators().iter().position(|keys| keys.group.to_bytes() == key)?;
        Some(plan.addresses_of(position)?.withdrawal.clone())
    };
    let mut files = Vec::new();
    for path in list(folder).map_err(|error| refused(&error))? {
        let Sheet { deposits, hash, .. } =
            read(&path, network, &credentials).map_err(|error| refused(&error))?;
        let detail = |deposit: &Deposit| {
            Some(DepositDetail {
                pubkey: ValidatorPubkey::new(deposit.public_key.as_slice().try_into().ok()?),
                amount: deposit.amount,
                withdrawal_address: address(&deposit.public_key)?,
            })
        };
        let deposits = deposits.iter().filter_map(detail).collect();
        files.push(DepositFile { path: path.display().to_string(), hash: hex::encode(hash), deposits });
    }
    let launchpad = LAUNCHPADS.iter().find(|(name, _)| *name == network.name);
    Ok(DepositReply {
        network: network.name.clone(),
        real_money: network.holds_real_money(),
        launchpad: launchpad.map(|(_, url)| (*url).to_owned()),
        files,
    })
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
    Ok(Sheet { name, deposits, hash: Sha256::digest(&content).into() })
}
