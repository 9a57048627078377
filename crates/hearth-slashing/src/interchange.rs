//! The file in which slashing protection moves between validator clients.
//!
//! Source: EIP-3076, interchange format version 5. Fields it does not name are ignored.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use hearth_types::{Epoch, Root, SigningRoot, Slot, ValidatorPubkey};
use serde::{Deserialize, Serialize};

use crate::{EpochStart, InterchangeError};

/// Largest file that is read: 512 MiB, the complete history of a thousand validators over two weeks. The minimal
/// form is never that large.
pub const MAX_JSON_BYTES: u64 = 512 << 20;

/// How much of a history is kept or told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Every message.
    Complete,
    /// Only how far each validator has got: enough to be safe, and nothing may be signed again.
    Minimal,
}

/// An interchange file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Interchange {
    /// Which format, which chain.
    pub metadata: Metadata,
    /// Histories; one validator may have several.
    pub data: Vec<SigningHistory>,
}

/// Head of an interchange file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// "5".
    pub interchange_format_version: String,
    /// The chain.
    pub genesis_validators_root: Root,
}

/// What one validator signed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SigningHistory {
    /// The validator: for a cluster, its group public key.
    pub pubkey: ValidatorPubkey,
    /// Blocks, in any order.
    pub signed_blocks: Vec<SignedBlock>,
    /// Attestations, in any order.
    pub signed_attestations: Vec<SignedAttestation>,
}

/// A block that was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SignedBlock {
    /// Its slot.
    pub slot: Slot,
    /// What was signed, if the writer of the file knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_root: Option<SigningRoot>,
}

/// An attestation that was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SignedAttestation {
    /// Source epoch.
    pub source_epoch: Epoch,
    /// Target epoch.
    pub target_epoch: Epoch,
    /// What was signed, if the writer of the file knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_root: Option<SigningRoot>,
}

impl Interchange {
    /// The only version of the format there is.
    pub const VERSION: &str = "5";

    /// An interchange of this chain.
    pub fn new(genesis_validators_root: Root, data: Vec<SigningHistory>) -> Self {
        let interchange_format_version = Self::VERSION.to_owned();
        Self { metadata: Metadata { interchange_format_version, genesis_validators_root }, data }
    }

    /// Reads a file, up to [`MAX_JSON_BYTES`].
    ///
    /// Errors: [`InterchangeError`]; a number above 2^64 - 1, a key of the wrong length or a field that occurs
    /// twice make the whole file malformed.
    pub fn read(file: impl Read) -> Result<Self, InterchangeError> {
        read_up_to(MAX_JSON_BYTES, file)
    }

    /// Writes the file, without line breaks.
    pub fn write(&self, file: impl Write) -> io::Result<()> {
        Ok(serde_json::to_writer(file, self)?)
    }

    /// The same protection in the least space: per validator one block and one attestation without roots, each
    /// number the greatest that occurs.
    ///
    /// Source: EIP-3076, advice for minimal databases.
    #[must_use]
    pub fn to_minimal(&self) -> Self {
        let data = self.reach().into_iter().map(|(pubkey, reach)| reach.to_history(pubkey)).collect();
        Self { metadata: self.metadata.clone(), data }
    }

    /// Validators whose history claims messages at or after `limit`. Honest history ends about now, and what an
    /// import claims a validator can never again sign: ask the owner before importing these.
    pub fn beyond(&self, limit: EpochStart) -> Vec<ValidatorPubkey> {
        let beyond = |reach: &Reach| {
            reach.attestation.is_some_and(|(source, target)| source.max(target) >= limit.epoch())
                || reach.slot.is_some_and(|slot| slot >= limit.slot())
        };
        self.reach().into_iter().filter(|(_, reach)| beyond(reach)).map(|(validator, _)| validator).collect()
    }

    /// How far each validator has got, its histories taken together.
    pub(crate) fn reach(&self) -> BTreeMap<ValidatorPubkey, Reach> {
        let mut reaches = BTreeMap::<ValidatorPubkey, Reach>::new();
        for history in &self.data {
            let reach = reaches.entry(history.pubkey).or_default();
            for SignedAttestation { source_epoch, target_epoch, .. } in &history.signed_attestations {
                let (source, target) = reach.attestation.unwrap_or_default();
                reach.attestation = Some((source.max(*source_epoch), target.max(*target_epoch)));
            }
            let last = history.signed_blocks.iter().map(|block| block.slot).max();
            reach.slot = reach.slot.max(last);
        }
        reaches
    }
}

/// The greatest source, target and slot that a validator signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reach {
    pub(crate) attestation: Option<(Epoch, Epoch)>,
    pub(crate) slot: Option<Slot>,
}

impl Reach {
    pub(crate) fn to_history(self, pubkey: ValidatorPubkey) -> SigningHistory {
        let attestation =
            |(source_epoch, target_epoch)| SignedAttestation { source_epoch, target_epoch, signing_root: None };
        SigningHistory {
            pubkey,
            signed_blocks: self.slot.map(|slot| SignedBlock { slot, signing_root: None }).into_iter().collect(),
            signed_attestations: self.attestation.map(attestation).into_iter().collect(),
        }
    }
}

fn read_up_to(limit_bytes: u64, file: impl Read) -> Result<Interchange, InterchangeError> {
    let mut json = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut json)?;
    if json.len() as u64 > limit_bytes {
        return Err(InterchangeError::TooLarge { limit_bytes });
    }
    serde_json::from_slice(&json).map_err(InterchangeError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_above_the_limit_is_refused_before_it_is_parsed_and_without_reading_all_of_it() {
        let mut json = Vec::new();
        Interchange::new(Root::new([0; 32]), vec![]).write(&mut json).unwrap();
        assert!(read_up_to(json.len() as u64, json.as_slice()).is_ok());
        let refused = read_up_to(json.len() as u64 - 1, json.as_slice());
        assert!(matches!(refused, Err(InterchangeError::TooLarge { .. })));
        let endless = read_up_to(1_000, std::io::repeat(b'['));
        assert!(matches!(endless, Err(InterchangeError::TooLarge { limit_bytes: 1_000 })));
    }
}
