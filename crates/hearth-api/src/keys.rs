//! The key shares of a node, and the one file in which they are backed up.

use hearth_types::{LockHash, ValidatorPubkey};
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Asks about the key shares.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct KeysRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
}

/// What can be told of them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct KeysReply {
    /// One for each validator; none while the node is in no cluster.
    pub shares: Vec<KeyShare>,
    /// Whether their passwords are sealed to this computer; else they lie beside the keystores, as Charon has them.
    pub sealed: bool,
    /// The folder that they are in.
    pub folder: String,
    /// When a backup was made last, as far as this folder knows.
    pub backed_up_ms: Option<u64>,
    /// When its restore was practised last.
    pub practised_ms: Option<u64>,
}

/// A key share.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct KeyShare {
    /// The validator that it is a share of.
    #[cfg_attr(test, ts(type = "string"))]
    pub validator: ValidatorPubkey,
    /// Its public key.
    #[cfg_attr(test, ts(type = "string"))]
    pub share: ValidatorPubkey,
}

/// Makes a backup.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct BackUpRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// The new file, on the node's computer.
    pub path: String,
    /// What will open it.
    #[cfg_attr(test, ts(type = "string"))]
    pub passphrase: Secret,
}

/// Opens a backup in memory and checks it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct PractiseRestoreRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// The file, on the node's computer.
    pub path: String,
    /// What opens it.
    #[cfg_attr(test, ts(type = "string"))]
    pub passphrase: Secret,
}

/// Takes the cluster of a backup in, on a computer that takes the place of a lost one. Its node waits three epochs before it signs.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct BringBackRequest {
    /// The file, on the node's computer.
    pub path: String,
    /// What opens it.
    #[cfg_attr(test, ts(type = "string"))]
    pub passphrase: Secret,
    /// Whether the owner has made sure that the node of the backup never signs again.
    pub confirmed: bool,
}

/// Takes the cluster of a folder of Charon in.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct MoveInRequest {
    /// The folder, on the node's computer.
    pub path: String,
    /// What its validator client signed until now (EIP-3076), if there is a file of it.
    pub history: Option<String>,
    /// Whether the owner has stopped Charon and its validator client for good.
    pub confirmed: bool,
}

/// A cluster that came.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NewClusterReply {
    /// Its folder.
    pub folder: String,
    /// Its name; may be empty.
    pub name: String,
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string"))]
    pub cluster: LockHash,
    /// Number of the operator that this node is in it.
    pub operator: u8,
    /// Validators, each with a key share.
    pub validators: u32,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// Whether the node has to be started again before it performs its duties.
    pub restart_needed: bool,
}

/// What a backup holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BackupReply {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The cluster's name.
    pub cluster: String,
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string"))]
    pub lock_hash: LockHash,
    /// Number of the operator that it is of.
    pub operator: u8,
    /// Validators, each with a key share that was opened and found in the lock.
    pub validators: u32,
    /// When it was made.
    pub made_ms: u64,
}
