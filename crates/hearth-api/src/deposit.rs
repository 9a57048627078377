//! What is deposited for a cluster's validators, checked before anybody does.

use hearth_types::{Gwei, LockHash, ValidatorPubkey};
use serde::{Deserialize, Serialize};

/// Asks for the deposit files of a cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct DepositRequest {
    /// Of this cluster; of the only one, unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
}

/// The deposit files of a cluster, each read again and checked: roots, signatures, validators and where the money may go.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DepositReply {
    /// Name of the network.
    pub network: String,
    /// Whether the stake is worth money.
    pub real_money: bool,
    /// Where deposits are made in a browser, if that is known.
    pub launchpad: Option<String>,
    /// The files; none where they were not kept (a restored node, say).
    pub files: Vec<DepositFile>,
}

/// A file for the launchpad.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DepositFile {
    /// Where it is.
    pub path: String,
    /// SHA-256 of it, hex: the same on every operator's computer.
    pub hash: String,
    /// What it deposits.
    pub deposits: Vec<DepositDetail>,
}

/// One deposit.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DepositDetail {
    /// Key of the validator.
    #[cfg_attr(test, ts(type = "string"))]
    pub pubkey: ValidatorPubkey,
    /// How much, Gwei.
    #[cfg_attr(test, ts(type = "string"))]
    pub amount: Gwei,
    /// The only address to which stake and rewards can ever go.
    pub withdrawal_address: String,
}
