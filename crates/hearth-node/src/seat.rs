//! A node's place in its cluster: who it is, what was agreed, and its key shares.

use std::path::PathBuf;

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_duties::Cluster;
use hearth_signer::Keyring;
use hearth_signer::folder::{LoadError, LockedValidator, load_keyring};
use hearth_signer::identity::{self, IdentityError};
use hearth_types::{ForkVersion, LockHash};
use thiserror::Error;

use crate::folder::DataFolder;
use crate::settings::Testnet;
use crate::verify::{LockFileError, read_verified};

/// Why a data folder gives no seat in a cluster.
#[derive(Debug, Error)]
pub enum SeatError {
    /// The identity cannot be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockFileError),
    /// This node is not one of the cluster's.
    #[error("the key in {} belongs to none of the cluster's {operators} operators; is this the right folder?", path.display())]
    NotAMember {
        /// The identity file.
        path: PathBuf,
        /// Size of the cluster.
        operators: usize,
    },
    /// The key shares cannot be loaded.
    #[error(transparent)]
    Keys(#[from] LoadError),
}

/// The seat.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) identity: NodeKey,
    pub(crate) cluster: Cluster,
    pub(crate) keyring: Keyring,
    /// Identities of all operators, in order.
    pub(crate) operators: Vec<NodePublicKey>,
    pub(crate) lock_hash: LockHash,
    pub(crate) fork_version: ForkVersion,
    pub(crate) name: String,
}

impl Seat {
    /// Reads and checks everything in `folder` that does not change while the node runs.
    ///
    /// `testnet` describes the network of the cluster if it is not a public one.
    pub(crate) fn take(folder: &DataFolder, testnet: Option<&Testnet>) -> Result<Self, SeatError> {
        let identity = identity::load(&folder.identity())?;
        let lock = read_verified(&folder.lock(), testnet)?;
        let operators: Vec<NodePublicKey> = lock.operators().iter().map(|operator| operator.key).collect();
        let me = lock
            .operator_of(&identity.public())
            .ok_or_else(|| SeatError::NotAMember { path: folder.identity(), operators: operators.len() })?;
        let cluster = lock.cluster(me);
        let validators: Vec<LockedValidator> = cluster
            .validators
            .iter()
            .map(|(group, keys)| LockedValidator { validator: *group, public_shares: keys.shares.clone() })
            .collect();
        let keyring = load_keyring(&folder.validator_keys(), &validators, me.share(), |progress| {
            tracing::debug!(done = progress.done, total = progress.total, "opening key shares");
        })?;
        let (lock_hash, fork_version) = (lock.lock_hash(), lock.fork_version());
        let name = lock.name().to_owned();
        Ok(Self { identity, cluster, keyring, operators, lock_hash, fork_version, name })
    }
}
