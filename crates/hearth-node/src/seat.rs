//! A node's place in its cluster: who it is, what was agreed, and its key shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_api::{ClusterReply, OperatorDetail, ValidatorDetail, ValidatorStage};
use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_duties::{Cluster, ClusterValidator};
use hearth_obol::cluster::{Operator, UsableLock, matching_words};
use hearth_signer::Keyring;
use hearth_signer::folder::{LoadError, LockedValidator, Passwords, Shelf, is_sealed, load_keyring};
use hearth_signer::identity::{self, IdentityError};
use hearth_types::{ForkVersion, LockHash, OperatorIndex, ValidatorPubkey};
use thiserror::Error;

use crate::folder::DataFolder;
use crate::installation::{Installation, InstallationError};
use crate::offline::{ClusterFileError, Scrutiny};
use crate::record::ClusterKeys;

/// Why a data folder gives no seat in a cluster.
#[derive(Debug, Error)]
pub enum SeatError {
    /// The identity cannot be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// This node is not one of the cluster's.
    #[error("the key in {} belongs to none of the cluster's {operators} operators; is this the right folder?", path.display())]
    NotAMember {
        /// The identity file.
        path: PathBuf,
        /// Size of the cluster.
        operators: usize,
    },
    /// The passwords of the key shares were sealed, and cannot be opened here.
    #[error(transparent)]
    Installation(#[from] InstallationError),
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
    /// The definition's identifier.
    pub(crate) uuid: String,
    pub(crate) facts: ClusterReply,
    pub(crate) keys: Arc<ClusterKeys>,
}

impl Seat {
    /// Reads and checks everything in `folder` that does not change while the node runs. `warn` hears what the owner should
    /// know although the node may run.
    pub(crate) fn take(
        folder: &DataFolder,
        scrutiny: &Scrutiny,
        installation: &Installation,
        mut warn: impl FnMut(String),
    ) -> Result<Self, SeatError> {
        let identity = identity::load(&folder.identity())?;
        let (lock, warnings) = scrutiny.usable_lock(&folder.lock())?;
        warnings.into_iter().for_each(&mut warn);
        let me = seat_of(&identity, &lock, &folder.identity())?;
        let keys = folder.validator_keys();
        let sealing_key = is_sealed(&keys).then(|| installation.opening_key()).transpose()?;
        let passwords = sealing_key.as_ref().map_or(Passwords::Beside, Passwords::Sealed);
        let shelf = Shelf { folder: &keys, passwords };
        let keyring = load_keyring(shelf, &locked_validators(&lock), me.share(), |progress| {
            tracing::debug!(done = progress.done, total = progress.total, "opening key shares");
        })?;
        Ok(Self {
            identity,
            cluster: lock.cluster(me),
            keyring,
            operators: lock.operators().iter().map(|operator| operator.key).collect(),
            lock_hash: lock.lock_hash(),
            fork_version: lock.fork_version(),
            uuid: lock.lock().definition.uuid.clone(),
            facts: facts(&lock),
            keys: Arc::new(ClusterKeys::of(&lock, me)),
        })
    }
}

/// What the lock says of the cluster, for showing. The chain's part is not known yet.
fn facts(lock: &UsableLock) -> ClusterReply {
    let plan = &lock.lock().definition;
    let operator = |(position, operator): (usize, &Operator)| OperatorDetail {
        number: u8::try_from(position + 1).unwrap_or(u8::MAX),
        account: plan.operators.get(position).map(|entry| entry.address.clone()).unwrap_or_default(),
        enr: operator.enr.clone(),
    };
    let validator = |(position, keys): (usize, &ClusterValidator)| {
        let addresses = plan.addresses_of(position).cloned().unwrap_or_default();
        ValidatorDetail {
            pubkey: ValidatorPubkey::new(keys.group.to_bytes()),
            index: None,
            stage: ValidatorStage::Unknown,
            activation_ms: None,
            fee_recipient: addresses.fee_recipient,
            withdrawal_address: addresses.withdrawal,
        }
    };
    // Its makers need not have given it one.
    let unnamed = || format!("Cluster {}", lock.lock_hash().abbreviated());
    ClusterReply {
        cluster: lock.lock_hash(),
        name: Some(lock.name()).filter(|name| !name.trim().is_empty()).map_or_else(unnamed, str::to_owned),
        created: plan.timestamp.clone(),
        lock_version: plan.version.to_string(),
        needed: u8::try_from(lock.threshold().count()).unwrap_or(u8::MAX),
        words: plan.compute_definition_hash().map(|hash| matching_words(&hash).join(" ")).unwrap_or_default(),
        operators: lock.operators().iter().enumerate().map(operator).collect(),
        validators: lock.validators().iter().enumerate().map(validator).collect(),
    }
}

/// Which of the cluster's operators has this identity.
pub(crate) fn seat_of(identity: &NodeKey, lock: &UsableLock, path: &Path) -> Result<OperatorIndex, SeatError> {
    let stranger = || SeatError::NotAMember { path: path.to_owned(), operators: lock.operators().len() };
    lock.operator_of(&identity.public()).ok_or_else(stranger)
}

/// The validators of a cluster, as key shares are matched to them.
pub(crate) fn locked_validators(lock: &UsableLock) -> Vec<LockedValidator> {
    let locked = |keys: &ClusterValidator| LockedValidator {
        validator: ValidatorPubkey::new(keys.group.to_bytes()),
        public_shares: keys.shares.clone(),
    };
    lock.validators().iter().map(locked).collect()
}
