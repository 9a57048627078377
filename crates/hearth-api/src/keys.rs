//! The key shares of a node, and the one file in which they are backed up.

use hearth_types::{LockHash, ValidatorPubkey};
use serde::{Deserialize, Serialize};

/// A passphrase, on its way to the node and nowhere else: it is not printed, and wiped when it is dropped.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Passphrase(String);

impl Passphrase {
    /// The passphrase itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// Asks about the key shares.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct KeysRequest {}

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
    /// The new file, on the node's computer.
    pub path: String,
    /// What will open it.
    #[cfg_attr(test, ts(type = "string"))]
    pub passphrase: Passphrase,
}

/// Opens a backup in memory and checks it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct PractiseRestoreRequest {
    /// The file, on the node's computer.
    pub path: String,
    /// What opens it.
    #[cfg_attr(test, ts(type = "string"))]
    pub passphrase: Passphrase,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_never_printed() {
        let request = BackUpRequest { path: "b".into(), passphrase: "hunter2".into() };
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
