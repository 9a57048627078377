//! Consensus containers that a cluster agrees on and signs.
//!
//! Source: consensus-specs, phase0 to fulu `beacon-chain.md` and `validator.md`; JSON as in the beacon API.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::{CommitteeIndex, Epoch, Root, SignatureBytes, Slot, ValidatorIndex, ValidatorPubkey};

/// An epoch boundary that a vote names.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
pub struct Checkpoint {
    /// The epoch.
    pub epoch: Epoch,
    /// Root of the block at its boundary.
    pub root: Root,
}

/// What an attestation votes for. 128 bytes in SSZ.
///
/// From Electra on `index` is zero, so all validators that attest in one slot sign the same root.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
pub struct AttestationData {
    /// Slot of the vote.
    pub slot: Slot,
    /// Committee before Electra; zero since.
    pub index: CommitteeIndex,
    /// The head of the chain as seen at the slot.
    pub beacon_block_root: Root,
    /// Where the vote comes from.
    pub source: Checkpoint,
    /// What the vote justifies.
    pub target: Checkpoint,
}

/// When and where one validator attests. 96 bytes in SSZ, in this order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize, Deserialize)]
pub struct AttesterDuty {
    /// Group public key of the validator.
    pub pubkey: ValidatorPubkey,
    /// The slot.
    pub slot: Slot,
    /// The validator.
    pub validator_index: ValidatorIndex,
    /// Its committee.
    pub committee_index: CommitteeIndex,
    /// Validators in that committee.
    #[serde(with = "quoted")]
    pub committee_length: u64,
    /// Committees in that slot.
    #[serde(with = "quoted")]
    pub committees_at_slot: u64,
    /// Position of the validator in its committee.
    #[serde(rename = "validator_committee_index", with = "quoted")]
    pub position_in_committee: u64,
}

/// One validator's attestation as it is submitted from Electra on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Encode, Decode, TreeHash, Serialize, Deserialize)]
pub struct SingleAttestation {
    /// Committee of the validator.
    pub committee_index: CommitteeIndex,
    /// The validator.
    pub attester_index: ValidatorIndex,
    /// The vote.
    pub data: AttestationData,
    /// Signature of the validator's key over the vote.
    pub signature: SignatureBytes,
}

mod quoted {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
