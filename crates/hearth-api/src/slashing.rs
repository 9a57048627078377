//! What is on record of the messages that could get a validator slashed, and moving that record between programs.

use hearth_types::{Epoch, LockHash, Slot, ValidatorPubkey};
use serde::{Deserialize, Serialize};

/// Asks for the record, summed up.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SlashingRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
}

/// The record, summed up.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SlashingReply {
    /// Per validator, in the order of their keys.
    pub validators: Vec<RecordedValidator>,
    /// Space that the record takes on the disk.
    pub bytes: u64,
}

/// What is on record of one validator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RecordedValidator {
    /// The validator, by its whole key.
    #[cfg_attr(test, ts(type = "string"))]
    pub pubkey: ValidatorPubkey,
    /// How far its record reaches.
    pub reach: RecordReach,
    /// Messages on record one by one; older ones are covered by how far it reaches.
    pub entries: u64,
}

/// How far a record reaches. Nothing that contradicts it is signed. `None`: nothing is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RecordReach {
    /// Greatest source epoch of an attestation.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub source: Option<Epoch>,
    /// Greatest target epoch of an attestation.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub target: Option<Epoch>,
    /// Greatest slot of a block.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub block: Option<Slot>,
}

/// Under which keys a file tells of the validators.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RecordKeys {
    /// Under the validators' own: for another Hearth.
    #[default]
    Validators,
    /// Under those of this operator's shares: for a validator client beside Charon, which knows no others.
    Shares,
}

/// Asks for a file (EIP-3076) with the record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SlashingExportRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[serde(default)]
    pub cluster: Option<LockHash>,
    /// Where the file shall be: an absolute path at which nothing is yet.
    pub path: String,
    /// Under which keys.
    #[serde(default)]
    pub keys: RecordKeys,
    /// Every message on record, rather than how far each validator got. Both protect alike.
    #[serde(default)]
    pub complete: bool,
}

/// A file that was written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SlashingExportReply {
    /// Where.
    pub path: String,
    /// Validators that it tells of.
    pub validators: u32,
    /// Its length.
    pub bytes: u64,
}

/// Asks what a file (EIP-3076) would add to the record; confirmed, to add it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SlashingImportRequest {
    /// Of which cluster: the hash of its lock. The node's only one unless given.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[serde(default)]
    pub cluster: Option<LockHash>,
    /// The file, by its absolute path. It may tell of the validators by their own keys or by those of this operator's shares.
    pub path: String,
    /// Whether the owner has seen what the file does and wants it.
    #[serde(default)]
    pub confirmed: bool,
}

/// What a file adds to the record, or would.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SlashingImportReply {
    /// Whether it was added. `false`: it was only asked.
    pub imported: bool,
    /// Validators of this cluster that the file tells of, in the order of their keys.
    pub validators: Vec<ImportedValidator>,
    /// Validators of this cluster that it does not tell of: of what they signed elsewhere nothing becomes known.
    pub silent: u32,
    /// Validators of others, which are left out.
    pub strangers: u32,
}

impl SlashingImportReply {
    /// Validators whose record reaches further with the file than without.
    pub fn raised(&self) -> usize {
        self.validators.iter().filter(|validator| validator.before != validator.after).count()
    }
}

/// What a file adds to the record of one validator. A record never reaches less far than before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ImportedValidator {
    /// The validator, by its whole key.
    #[cfg_attr(test, ts(type = "string"))]
    pub pubkey: ValidatorPubkey,
    /// How far its record reaches without the file ...
    pub before: RecordReach,
    /// ... and with it.
    pub after: RecordReach,
    /// Messages in the file that contradict each other or the record: somebody signed what could get it slashed.
    pub slashable: u32,
}
