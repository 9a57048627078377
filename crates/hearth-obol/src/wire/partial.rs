//! Partial signatures on their way between operators.
//!
//! The set is the same for every duty; what one share signed is written by the duty's own module (`attester`).
//!
//! Source: `obol-duties.md` 3.5, 6.1, 6.2.

use std::collections::BTreeMap;

use hearth_duties::{Cluster, PartialAttestation, PartialSet};
use hearth_types::{
    ChainSpec, CommitteeIndex, Duty, DutyKind, ForkName, ShareIndex, Slot, UnknownFork, ValidatorPubkey,
};
use prost::Message as _;
use thiserror::Error;

use super::attester::{self, VersionedAttestation};
use super::field::{Field, fields};
use super::payload::Malformed;
use super::proto::{self, ParSigExMsg, ParSignedData, ParSignedDataSet};
use super::timing::{Gate, Untimely};
use super::value::{read_key, write_key};
use super::{PARTIALS_FRAME_BYTES, performs};

/// Bytes that one validator's entry may take. In SSZ it has about 480, as JSON about 1,100.
pub(crate) const MOST_ENTRY_BYTES: usize = 4_096;

/// Why a message with partial signatures was refused. One bad entry spoils the message. The caller adds which peer
/// delivered it.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum PartialRejection {
    /// Longer than a frame, or than a set about every validator of the cluster.
    #[error("{bytes} bytes where {most} are enough")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not a message of this protocol at all.
    #[error("not a message with partial signatures")]
    Undecodable,
    /// A part that must be there is not.
    #[error("the {0} is missing")]
    Missing(&'static str),
    /// A duty type that does not exist.
    #[error("duty type {0} does not exist")]
    DutyKind(i32),
    /// Not the time for this duty.
    #[error(transparent)]
    Untimely(#[from] Untimely),
    /// Nothing is wrong with it, but this version does not perform such duties.
    #[error("this version does not perform duty {0}")]
    NotPerformed(Duty),
    /// No signature in it.
    #[error("the set is empty")]
    Empty,
    /// More entries than the cluster has validators.
    #[error("{entries} entries for {most} validators")]
    TooMany {
        /// Entries.
        entries: usize,
        /// Validators of the cluster.
        most: usize,
    },
    /// An entry is not about a validator of the cluster.
    #[error("an entry is not about a validator of this cluster")]
    ForeignValidator,
    /// An entry breaks a rule.
    #[error("the entry of validator {validator} {reason}")]
    Entry {
        /// Whose entry.
        validator: ValidatorPubkey,
        /// The rule.
        reason: EntryRejection,
    },
}

/// Why one entry was refused.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum EntryRejection {
    /// No operator has this share.
    #[error("names share {0}, which does not exist")]
    Share(i32),
    /// What was signed is not what the duty calls for.
    #[error("holds no attestation: {0}")]
    Malformed(Malformed),
    /// What was signed belongs to another slot than the duty.
    #[error("is a vote of slot {0}")]
    OffSlot(Slot),
}

/// Why partial signatures of our own cannot be sent.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum SetRejection {
    /// This version does not perform such duties.
    #[error("this version does not perform duty {0}")]
    NotPerformed(Duty),
    /// The slot lies beyond the known forks.
    #[error(transparent)]
    UnknownFork(#[from] UnknownFork),
    /// The slot lies before Electra, whose form this version writes.
    #[error("attestations of {} are not supported", .0.as_str())]
    OldFork(ForkName),
    /// A committee beyond the 64 that an attestation has bits for.
    #[error("committee {0} has no bit")]
    Committee(CommitteeIndex),
    /// Peers refuse an empty set.
    #[error("the set is empty")]
    Empty,
    /// Two entries for one validator.
    #[error("two entries for validator {0}")]
    Repeated(ValidatorPubkey),
}

/// Writes our own partial signatures for the other operators.
pub fn encode(spec: &ChainSpec, set: &PartialSet) -> Result<Vec<u8>, SetRejection> {
    let PartialSet { duty, partials } = set;
    if !performs(duty.kind) {
        return Err(SetRejection::NotPerformed(*duty));
    }
    if partials.is_empty() {
        return Err(SetRejection::Empty);
    }
    let fork = spec.forks.at(spec.epoch_of(duty.slot))?.name;
    if fork < ForkName::Electra {
        return Err(SetRejection::OldFork(fork));
    }
    let mut entries = BTreeMap::new();
    for partial in partials {
        let attestation = VersionedAttestation::of_partial(fork, partial)
            .map_err(|attester::NoSuchCommittee| SetRejection::Committee(partial.committee_index))?;
        let entry = ParSignedData {
            data: attestation.encode(),
            signature: partial.signature.as_bytes().to_vec(),
            share_idx: partial.share.get().into(),
        };
        if entries.insert(write_key(&partial.validator), entry).is_some() {
            return Err(SetRejection::Repeated(partial.validator));
        }
    }
    let duty = proto::Duty { slot: duty.slot.get(), kind: duty.kind.number().into() };
    Ok(ParSigExMsg { duty: Some(duty), data_set: Some(ParSignedDataSet { set: entries }) }.encode_to_vec())
}

/// Checks everything about a received message but the signatures in it, which are checked in one batch later.
///
/// Every vote must belong to the slot of the duty, which honest peers always satisfy.
pub fn decode(frame: &[u8], cluster: &Cluster, gate: &Gate<'_>) -> Result<PartialSet, PartialRejection> {
    let Parts { duty, set } = Parts::read(frame)?;
    gate.admit(duty)?;
    if !performs(duty.kind) {
        return Err(PartialRejection::NotPerformed(duty));
    }
    let validators = cluster.validators.len();
    check_length(set, validators.saturating_mul(MOST_ENTRY_BYTES))?;
    let ParSignedDataSet { set } = ParSignedDataSet::decode(set).map_err(|_| PartialRejection::Undecodable)?;
    if set.is_empty() {
        return Err(PartialRejection::Empty);
    }
    if set.len() > validators {
        return Err(PartialRejection::TooMany { entries: set.len(), most: validators });
    }
    let entry = |(key, data): (String, ParSignedData)| {
        let validator = read_key(&key).filter(|key| cluster.validators.contains_key(key));
        let validator = validator.ok_or(PartialRejection::ForeignValidator)?;
        read_entry(duty, cluster.operators, validator, &data)
            .map_err(|reason| PartialRejection::Entry { validator, reason })
    };
    let partials = set.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(PartialSet { duty, partials })
}

/// The parts of a received message. The duty is known before anything is spent on the set.
struct Parts<'a> {
    duty: Duty,
    set: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(frame: &'a [u8]) -> Result<Self, PartialRejection> {
        check_length(frame, PARTIALS_FRAME_BYTES)?;
        let (mut duty, mut set) = (None, None);
        for field in fields(frame) {
            let Field { number, payload, .. } = field.map_err(|_| PartialRejection::Undecodable)?;
            match (number, payload) {
                (1, Some(bytes)) if duty.is_none() => duty = Some(bytes),
                (2, Some(bytes)) if set.is_none() => set = Some(bytes),
                (1 | 2, _) => return Err(PartialRejection::Undecodable),
                // Fields of later versions.
                _ => {}
            }
        }
        let duty = duty.ok_or(PartialRejection::Missing("duty"))?;
        let set = set.ok_or(PartialRejection::Missing("data set"))?;
        let proto::Duty { slot, kind } =
            proto::Duty::decode(duty).map_err(|_| PartialRejection::Undecodable)?;
        let kind = DutyKind::from_number(kind.into()).map_err(|_| PartialRejection::DutyKind(kind))?;
        Ok(Self { duty: Duty { slot: Slot::new(slot), kind }, set })
    }
}

fn check_length(bytes: &[u8], most: usize) -> Result<(), PartialRejection> {
    let bytes = bytes.len();
    if bytes > most { Err(PartialRejection::TooLong { bytes, most }) } else { Ok(()) }
}

fn read_entry(
    duty: Duty,
    operators: u8,
    validator: ValidatorPubkey,
    entry: &ParSignedData,
) -> Result<PartialAttestation, EntryRejection> {
    let share = u8::try_from(entry.share_idx)
        .ok()
        .and_then(ShareIndex::new)
        .filter(|share| share.get() <= operators)
        .ok_or(EntryRejection::Share(entry.share_idx))?;
    let partial = VersionedAttestation::decode(&entry.data)
        .and_then(|attestation| attestation.into_partial(validator, share))
        .map_err(EntryRejection::Malformed)?;
    if partial.data.slot != duty.slot {
        return Err(EntryRejection::OffSlot(partial.data.slot));
    }
    Ok(partial)
}
