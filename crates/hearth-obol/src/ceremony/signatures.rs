//! What the shares sign at once, so that the cluster's files are whole: the lock, deposits and registrations; and what the
//! operators sign with their own keys.
//!
//! Source: `obol-dkg.md` 8, 9, 10.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::k1::{self, NodePublicKey};
use hearth_crypto::{InvalidPoint, Signature};
use hearth_types::{DutyKind, LockHash, OperatorIndex, ShareIndex, SignatureBytes, ValidatorPubkey};
use prost::Message as _;
use thiserror::Error;

use super::proto::MsgNodeSig;
use crate::wire::proto::{Duty, ParSigExMsg, ParSignedData, ParSignedDataSet};
use crate::wire::value::{read_key, write_key};

const LOCK_SLOT: u64 = 101;
const REGISTRATION_SLOT: u64 = 102;
const FIRST_DEPOSIT_SLOT: u64 = 200;
/// Bytes that one validator's entry may take: 380 as it is written.
const MOST_ENTRY_BYTES: usize = 1_024;

/// What partial signatures are over.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Purpose {
    /// The hash of the lock.
    Lock,
    /// Registrations for builders.
    Registration,
    /// The deposits of one amount, in the order of the amounts.
    Deposit(u16),
}

impl Purpose {
    fn slot(self) -> u64 {
        match self {
            Self::Lock => LOCK_SLOT,
            Self::Registration => REGISTRATION_SLOT,
            Self::Deposit(amount) => FIRST_DEPOSIT_SLOT + u64::from(amount),
        }
    }

    fn of(slot: u64, amounts: u16) -> Option<Self> {
        match slot {
            LOCK_SLOT => Some(Self::Lock),
            REGISTRATION_SLOT => Some(Self::Registration),
            _ => {
                let amount = u16::try_from(slot.checked_sub(FIRST_DEPOSIT_SLOT)?).ok()?;
                (amount < amounts).then_some(Self::Deposit(amount))
            }
        }
    }
}

/// Why partial signatures, or the signature of a node, were refused. Completes the sentence "operator 3 sent …".
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum SignatureRejection {
    /// Longer than a message about every validator.
    #[error("{bytes} bytes where {most} are enough")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not a message of this protocol.
    #[error("something that holds no signatures")]
    Undecodable,
    /// Nothing that is signed in this ceremony.
    #[error("signatures for a purpose that there is not (slot {slot}, type {kind})")]
    Purpose {
        /// Slot of the duty that stands for it.
        slot: u64,
        /// Type of it.
        kind: i32,
    },
    /// Not a validator of the ceremony.
    #[error("a signature for something that is no validator of this ceremony")]
    ForeignValidator,
    /// Not every validator.
    #[error("signatures for {found} of {wanted} validators")]
    Incomplete {
        /// Validators with one.
        found: usize,
        /// Validators of the ceremony.
        wanted: usize,
    },
    /// A signature of another share.
    #[error("a signature of share {0}")]
    ShareOf(i32),
    /// The two forms of one signature differ, or are none.
    #[error("a signature that is written in two different ways")]
    Malformed,
    /// No point of the curve.
    #[error("a signature that is {0}")]
    Point(#[from] InvalidPoint),
    /// A signature of another operator.
    #[error("the signature of operator position {0}")]
    Position(u32),
    /// It is not over our lock, or not by its operator.
    #[error("a signature that is not by its key over our lock: it has another lock")]
    NotOurLock,
}

/// Bytes of the longest message about so many validators.
pub(super) const fn most_bytes(validators: usize) -> usize {
    64 + validators.saturating_mul(MOST_ENTRY_BYTES)
}

/// Writes the partial signatures of one share.
pub fn encode_partials(
    purpose: Purpose,
    share: ShareIndex,
    partials: &BTreeMap<ValidatorPubkey, Signature>,
) -> Vec<u8> {
    let entry = |(validator, signature): (&ValidatorPubkey, &Signature)| {
        let signature = signature.to_bytes();
        let data = ParSignedData {
            data: in_json(&signature).into_bytes(),
            signature: signature.as_bytes().to_vec(),
            share_idx: share.get().into(),
        };
        (write_key(validator), data)
    };
    let duty = Duty { slot: purpose.slot(), kind: DutyKind::Signature.number().into() };
    let data_set = ParSignedDataSet { set: partials.iter().map(entry).collect() };
    ParSigExMsg { duty: Some(duty), data_set: Some(data_set) }.encode_to_vec()
}

/// Reads the partial signatures of the share of whoever sent them: one for each of the `validators`, none for another. Whether
/// they are over the right thing is not known here.
pub fn decode_partials(
    frame: &[u8],
    from: ShareIndex,
    amounts: u16,
    validators: &[ValidatorPubkey],
) -> Result<(Purpose, BTreeMap<ValidatorPubkey, Signature>), SignatureRejection> {
    let most = most_bytes(validators.len());
    if frame.len() > most {
        return Err(SignatureRejection::TooLong { bytes: frame.len(), most });
    }
    let undecodable = SignatureRejection::Undecodable;
    let ParSigExMsg { duty: Some(Duty { slot, kind }), data_set: Some(ParSignedDataSet { set }) } =
        ParSigExMsg::decode(frame).map_err(|_| undecodable.clone())?
    else {
        return Err(undecodable);
    };
    let purpose = Purpose::of(slot, amounts).filter(|_| kind == i32::from(DutyKind::Signature.number()));
    let purpose = purpose.ok_or(SignatureRejection::Purpose { slot, kind })?;
    let known: BTreeSet<_> = validators.iter().collect();
    let mut partials = BTreeMap::new();
    for (key, ParSignedData { data, signature, share_idx }) in set {
        let named = read_key(&key).filter(|key| known.contains(key));
        let validator = named.ok_or(SignatureRejection::ForeignValidator)?;
        if share_idx != i32::from(from.get()) {
            return Err(SignatureRejection::ShareOf(share_idx));
        }
        let bytes = out_of_json(&data).ok_or(SignatureRejection::Malformed)?;
        // Charon reads the first form alone.
        if !signature.is_empty() && signature != bytes {
            return Err(SignatureRejection::Malformed);
        }
        partials.insert(validator, Signature::from_bytes(&bytes)?);
    }
    if partials.len() < validators.len() {
        return Err(SignatureRejection::Incomplete { found: partials.len(), wanted: validators.len() });
    }
    Ok((purpose, partials))
}

fn in_json(signature: &SignatureBytes) -> String {
    format!("\"{}\"", data_encoding::BASE64.encode(signature.as_bytes()))
}

fn out_of_json(text: &[u8]) -> Option<[u8; 96]> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    data_encoding::BASE64.decode(inner).ok()?.try_into().ok()
}

/// Writes an operator's signature over the lock.
pub fn encode_node_signature(operator: OperatorIndex, signature: &[u8; 65]) -> Vec<u8> {
    let peer_index = u32::from(operator.share().get()) - 1;
    MsgNodeSig { signature: signature.to_vec(), peer_index }.encode_to_vec()
}

/// Reads it, and checks that it is the sender's: before it is signed as a broadcast, when nobody knows the lock yet.
pub fn decode_node_signature(value: &[u8], from: OperatorIndex) -> Result<[u8; 65], SignatureRejection> {
    let MsgNodeSig { signature, peer_index } =
        MsgNodeSig::decode(value).map_err(|_| SignatureRejection::Undecodable)?;
    if usize::try_from(peer_index) != Ok(from.position()) {
        return Err(SignatureRejection::Position(peer_index));
    }
    // Four bytes in its place are Charon's sign for "none", which only the removal of operators knows.
    signature.try_into().map_err(|_| SignatureRejection::Malformed)
}

/// Checks it against our own lock.
pub fn check_node_signature(
    signature: &[u8; 65],
    lock: &LockHash,
    key: &NodePublicKey,
) -> Result<(), SignatureRejection> {
    match k1::recover(lock.as_bytes(), signature) {
        Ok(signer) if signer == *key => Ok(()),
        _ => Err(SignatureRejection::NotOurLock),
    }
}
