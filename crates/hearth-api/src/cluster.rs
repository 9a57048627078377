//! What a cluster is: facts that its lock holds, and what the chain knows of its validators.

use hearth_types::{LockHash, ValidatorIndex, ValidatorPubkey};
use serde::{Deserialize, Serialize};

/// Which cluster; the only one unless given.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ClusterRequest {
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
}

/// The facts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterReply {
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string"))]
    pub cluster: LockHash,
    /// The name that its makers gave it.
    pub name: String,
    /// When its plan was made, as the plan says.
    pub created: String,
    /// Version of its lock file.
    pub lock_version: String,
    /// Operators needed to sign.
    pub needed: u8,
    /// The six matching words of its plan.
    pub words: String,
    /// Its operators, in order.
    pub operators: Vec<OperatorDetail>,
    /// Its validators, in the order of the lock.
    pub validators: Vec<ValidatorDetail>,
}

/// An operator, as the lock has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OperatorDetail {
    /// Its number: its share index.
    pub number: u8,
    /// Account of its wallet; empty if the plan was made without wallets.
    pub account: String,
    /// Record of its node's key.
    pub enr: String,
}

/// A validator.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ValidatorDetail {
    /// Its public key: the group key.
    #[cfg_attr(test, ts(type = "string"))]
    pub pubkey: ValidatorPubkey,
    /// Its index; `None` while the chain does not know it.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub index: Option<ValidatorIndex>,
    /// How far it is.
    pub stage: ValidatorStage,
    /// When its duties begin, once the chain has said; Unix milliseconds.
    pub activation_ms: Option<u64>,
    /// Who gets the tips of its blocks.
    pub fee_recipient: String,
    /// Where its ether goes when it leaves.
    pub withdrawal_address: String,
}

/// How far a validator is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ValidatorStage {
    /// The chain was not asked yet.
    #[default]
    Unknown,
    /// The chain does not know it: nothing was deposited, or the deposit is on its way.
    NotDeposited,
    /// The chain has taken its deposit, and gives it no duties yet.
    Pending,
    /// The chain gives it no duties any more.
    Inactive,
    /// It has duties.
    Active,
    /// It was slashed.
    Slashed,
}
