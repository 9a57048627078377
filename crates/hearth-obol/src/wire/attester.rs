//! How attestations are written: the value to agree on, and the object that a share signed.
//!
//! The containers have mainnet's shape whatever the preset of the chain: committee bits are 8 bytes, as in every
//! build of Charon. On a chain of fewer committees the upper bits stay zero.
//!
//! Source: `obol-duties.md` 3.1 to 3.6.

use hearth_duties::{AgreedAttestation, PartialAttestation};
use hearth_types::{
    AttestationData, AttesterDuty, CommitteeIndex, ForkName, ShareIndex, SignatureBytes, ValidatorIndex,
    ValidatorPubkey,
};
use serde::Deserialize;
use ssz::{Decode, Encode};

use super::payload::{Malformed, ssz_or_json};

const DATA_BYTES: usize = 128;
const DUTY_BYTES: usize = 96;
const OFFSET_BYTES: usize = 4;
const AGREED_BYTES: usize = 2 * OFFSET_BYTES + DATA_BYTES + DUTY_BYTES;

/// Writes what the cluster agrees on for one validator: 232 bytes.
pub(crate) fn encode_agreed(agreed: &AgreedAttestation) -> Vec<u8> {
    let mut out = Vec::with_capacity(AGREED_BYTES);
    for offset in [2 * OFFSET_BYTES, 2 * OFFSET_BYTES + DATA_BYTES] {
        out.extend_from_slice(&(offset as u32).to_le_bytes());
    }
    agreed.data.ssz_append(&mut out);
    agreed.duty.ssz_append(&mut out);
    out
}

/// Reads what the cluster agrees on for one validator; takes JSON too, which nobody sends.
pub(crate) fn decode_agreed(bytes: &[u8]) -> Result<AgreedAttestation, Malformed> {
    #[derive(Deserialize)]
    struct Json {
        attestation_data: AttestationData,
        attestation_duty: AttesterDuty,
    }
    let json = |Json { attestation_data, attestation_duty }| {
        Ok(AgreedAttestation { data: attestation_data, duty: attestation_duty })
    };
    ssz_or_json(bytes, agreed_from_ssz, json)
}

fn agreed_from_ssz(bytes: &[u8]) -> Result<AgreedAttestation, Malformed> {
    let refused = Malformed::Ssz("attestation data and duty");
    let (offsets, rest) = bytes.split_first_chunk::<{ 2 * OFFSET_BYTES }>().ok_or(refused)?;
    let (data, duty) = rest.split_first_chunk::<DATA_BYTES>().ok_or(refused)?;
    if *offsets != [8, 0, 0, 0, 136, 0, 0, 0] {
        return Err(refused);
    }
    Ok(AgreedAttestation {
        data: AttestationData::from_ssz_bytes(data).map_err(|_| refused)?,
        duty: AttesterDuty::from_ssz_bytes(duty).map_err(|_| refused)?,
    })
}

/// An attestation of Electra or later in its envelope: the fork, and the validator if its sender knew it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct VersionedAttestation {
    pub(crate) fork: ForkName,
    pub(crate) validator_index: Option<ValidatorIndex>,
    /// A bitlist. Empty (one byte, the end mark) in what shares sign.
    pub(crate) aggregation_bits: Vec<u8>,
    pub(crate) data: AttestationData,
    pub(crate) signature: SignatureBytes,
    /// Bit `i` stands for committee `i`.
    pub(crate) committee_bits: u64,
}

/// An empty bitlist: nothing but its end mark.
const NO_BITS: u8 = 1;
/// Bits of a full committee list in every slot: `MAX_VALIDATORS_PER_COMMITTEE * MAX_COMMITTEES_PER_SLOT`.
const MOST_AGGREGATION_BITS: usize = 131_072;
/// Offset of the aggregation bits within the attestation, which is the length of all that precedes them.
const BITS_OFFSET: u32 = 4 + 128 + 96 + 8;

/// A committee that has no bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoSuchCommittee;

impl VersionedAttestation {
    /// The one shape that every node gives to what a share signed.
    pub(crate) fn of_partial(fork: ForkName, partial: &PartialAttestation) -> Result<Self, NoSuchCommittee> {
        let committee = u32::try_from(partial.committee_index.get()).map_err(|_| NoSuchCommittee)?;
        Ok(Self {
            fork,
            validator_index: Some(partial.validator_index),
            aggregation_bits: vec![NO_BITS],
            data: partial.data,
            signature: partial.signature,
            committee_bits: 1_u64.checked_shl(committee).ok_or(NoSuchCommittee)?,
        })
    }

    /// What a share signed. Aggregation bits say nothing here: the signature does not cover them.
    pub(crate) fn into_partial(
        self,
        validator: ValidatorPubkey,
        share: ShareIndex,
    ) -> Result<PartialAttestation, Malformed> {
        if self.committee_bits.count_ones() != 1 {
            return Err(Malformed::Rule("committee bits do not name exactly one committee"));
        }
        let committee_index = CommitteeIndex::new(u64::from(self.committee_bits.trailing_zeros()));
        // Only peers of long ago left it out; without it the attestation could not be submitted.
        let validator_index = self.validator_index.ok_or(Malformed::Rule("the validator index is missing"))?;
        let Self { data, signature, .. } = self;
        Ok(PartialAttestation { validator, share, data, validator_index, committee_index, signature })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.fork.number().to_le_bytes().to_vec();
        if let Some(index) = self.validator_index {
            index.ssz_append(&mut out);
        }
        let value_offset = out.len() as u32 + 4;
        out.extend_from_slice(&value_offset.to_le_bytes());
        out.extend_from_slice(&BITS_OFFSET.to_le_bytes());
        self.data.ssz_append(&mut out);
        self.signature.ssz_append(&mut out);
        out.extend_from_slice(&self.committee_bits.to_le_bytes());
        out.extend_from_slice(&self.aggregation_bits);
        out
    }

    /// Takes JSON too, which nobody sends.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        ssz_or_json(bytes, Self::from_ssz, Self::from_json)
    }

    fn from_ssz(bytes: &[u8]) -> Result<Self, Malformed> {
        let refused = Malformed::Ssz("attestation envelope");
        let (version, rest) = bytes.split_first_chunk().ok_or(refused)?;
        let fork = fork_of(u64::from_le_bytes(*version))?;
        match rest.split_first_chunk().map(|(index, rest)| (*index, rest.split_first_chunk())) {
            Some((index, Some(([20, 0, 0, 0], value)))) => {
                Self::from_ssz_value(fork, Some(ValidatorIndex::new(u64::from_le_bytes(index))), value)
            }
            _ => match rest.split_first_chunk() {
                Some(([12, 0, 0, 0], value)) => Self::from_ssz_value(fork, None, value),
                _ => Err(refused),
            },
        }
    }

    fn from_ssz_value(
        fork: ForkName,
        validator_index: Option<ValidatorIndex>,
        value: &[u8],
    ) -> Result<Self, Malformed> {
        let refused = Malformed::Ssz("attestation");
        let (offset, rest) = value.split_first_chunk().ok_or(refused)?;
        let (data, rest) = rest.split_first_chunk::<DATA_BYTES>().ok_or(refused)?;
        let (signature, rest) = rest.split_first_chunk().ok_or(refused)?;
        let (committee_bits, aggregation_bits) = rest.split_first_chunk().ok_or(refused)?;
        if u32::from_le_bytes(*offset) != BITS_OFFSET {
            return Err(refused);
        }
        check_bitlist(aggregation_bits)?;
        Ok(Self {
            fork,
            validator_index,
            aggregation_bits: aggregation_bits.to_vec(),
            data: AttestationData::from_ssz_bytes(data).map_err(|_| refused)?,
            signature: SignatureBytes::new(*signature),
            committee_bits: u64::from_le_bytes(*committee_bits),
        })
    }

    fn from_json(json: Json) -> Result<Self, Malformed> {
        let refused = Malformed::Rule("bits are not 0x and hex digits");
        let bits =
            |text: &str| text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok()).ok_or(refused);
        let aggregation_bits = bits(&json.attestation.aggregation_bits)?;
        check_bitlist(&aggregation_bits)?;
        let committee_bits = bits(&json.attestation.committee_bits)?;
        let committee_bits =
            committee_bits.try_into().map_err(|_| Malformed::Rule("committee bits are not 8 bytes"))?;
        Ok(Self {
            fork: fork_of(json.version)?,
            validator_index: json.validator_index,
            aggregation_bits,
            data: json.attestation.data,
            signature: json.attestation.signature,
            committee_bits: u64::from_le_bytes(committee_bits),
        })
    }
}

#[derive(Deserialize)]
struct Json {
    version: u64,
    #[serde(default)]
    validator_index: Option<ValidatorIndex>,
    attestation: JsonAttestation,
}

#[derive(Deserialize)]
struct JsonAttestation {
    aggregation_bits: String,
    data: AttestationData,
    signature: SignatureBytes,
    committee_bits: String,
}

fn fork_of(version: u64) -> Result<ForkName, Malformed> {
    [ForkName::Electra, ForkName::Fulu]
        .into_iter()
        .find(|fork| fork.number() == version)
        .ok_or(Malformed::Rule("the fork of the envelope is neither electra nor fulu"))
}

fn check_bitlist(bits: &[u8]) -> Result<(), Malformed> {
    let within = bits.len() <= MOST_AGGREGATION_BITS / 8 + 1 && bits.last().is_some_and(|last| *last != 0);
    within.then_some(()).ok_or(Malformed::Rule("aggregation bits are no bitlist"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{attestation_data, attester_duty, pubkey, vector};

    #[test]
    fn agreed_values_of_the_reference_read_alike_as_ssz_and_json_and_write_the_same_bytes() {
        let (Some(ssz), Some(json)) = (vector("AttestationData.ssz"), vector("AttestationData.json")) else {
            return;
        };
        let agreed = decode_agreed(&ssz).unwrap();
        assert_eq!(decode_agreed(&json).unwrap(), agreed);
        assert_eq!(encode_agreed(&agreed), ssz);
    }

    #[test]
    fn attestations_of_the_reference_read_alike_as_ssz_and_json_and_write_the_same_bytes() {
        let (Some(ssz), Some(json)) = (vector("VersionedAttestation.ssz"), vector("VersionedAttestation.json"))
        else {
            return;
        };
        let attestation = VersionedAttestation::decode(&ssz).unwrap();
        assert_eq!(VersionedAttestation::decode(&json).unwrap(), attestation);
        assert_eq!(attestation.encode(), ssz);
        let without_index = VersionedAttestation { validator_index: None, ..attestation };
        assert_eq!(VersionedAttestation::decode(&without_index.encode()).unwrap(), without_index);
    }

    #[test]
    fn what_a_share_signed_has_the_one_shape_that_peers_compare() {
        let partial = partial(3, 5);
        let written = VersionedAttestation::of_partial(ForkName::Fulu, &partial).unwrap().encode();
        let mut expected = hex::decode("0600000000000000050000000000000014000000ec000000").unwrap();
        expected.extend(partial.data.as_ssz_bytes());
        expected.extend(partial.signature.as_bytes());
        expected.extend([1 << 3, 0, 0, 0, 0, 0, 0, 0, 0x01]);
        assert_eq!(written, expected);
        let electra = VersionedAttestation::of_partial(ForkName::Electra, &partial).unwrap().encode();
        assert_eq!((electra[0], &electra[1..]), (5, &expected[1..]));
        let read =
            VersionedAttestation::decode(&written).unwrap().into_partial(partial.validator, partial.share);
        assert_eq!(read, Ok(partial));
    }

    #[test]
    fn a_committee_beyond_the_last_bit_cannot_be_written() {
        for (committee, writable) in [(0, true), (63, true), (64, false), (1 << 32, false), (u64::MAX, false)] {
            let written = VersionedAttestation::of_partial(ForkName::Fulu, &partial(committee, 5));
            assert_eq!(written.is_ok(), writable, "committee {committee}");
        }
    }

    #[test]
    fn malformed_agreed_values_are_refused() {
        let agreed = AgreedAttestation { data: attestation_data(7), duty: attester_duty(1, 7) };
        let good = encode_agreed(&agreed);
        for length in 0..good.len() {
            assert!(decode_agreed(&good[..length]).is_err(), "cut to {length} bytes");
        }
        for (name, bytes) in [
            ("one byte more", [&good[..], &[0]].concat()),
            ("first offset", replaced(&good, 0, &[9])),
            ("second offset", replaced(&good, 4, &[137])),
            ("an offset beyond the end", replaced(&good, 4, &[0xff; 4])),
            ("an empty object", b"{}".to_vec()),
            ("an unfinished object", b"{\"attestation_data\":".to_vec()),
            ("an array", b"[]".to_vec()),
            ("nesting without end", b"{\"a\":".repeat(100_000)),
        ] {
            assert!(decode_agreed(&bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn malformed_attestations_are_refused() {
        let good = VersionedAttestation::of_partial(ForkName::Fulu, &partial(3, 5)).unwrap().encode();
        for length in 0..good.len() {
            assert!(VersionedAttestation::decode(&good[..length]).is_err(), "cut to {length} bytes");
        }
        let bits = good.len() - 1;
        for (name, bytes) in [
            ("deneb", replaced(&good, 0, &[4])),
            ("a fork after fulu", replaced(&good, 0, &[7])),
            ("a huge fork", replaced(&good, 0, &[0xff; 8])),
            ("another value offset", replaced(&good, 16, &[21])),
            ("a value offset beyond the end", replaced(&good, 16, &[0xff; 4])),
            ("another bits offset", replaced(&good, 20, &[0xed])),
            ("bits without an end mark", replaced(&good, bits, &[0])),
            ("too many bits", [&good[..bits], &[0; MOST_AGGREGATION_BITS / 8 + 1], &[1]].concat()),
            ("an empty object", b"{}".to_vec()),
        ] {
            assert!(VersionedAttestation::decode(&bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn attestations_that_no_single_share_made_are_no_partial() {
        let good = VersionedAttestation::of_partial(ForkName::Fulu, &partial(3, 5)).unwrap();
        for (name, attestation) in [
            ("no committee", VersionedAttestation { committee_bits: 0, ..good.clone() }),
            ("two committees", VersionedAttestation { committee_bits: 3, ..good.clone() }),
            ("no validator index", VersionedAttestation { validator_index: None, ..good }),
        ] {
            assert!(attestation.into_partial(pubkey(1), ShareIndex::new(1).unwrap()).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (decode_agreed(&bytes), VersionedAttestation::decode(&bytes));
        }

        #[test]
        fn what_is_written_reads_the_same(slot: u64, index: u64, committee in 0_u64..64, fulu: bool) {
            let partial = PartialAttestation { data: attestation_data(slot), ..partial(committee, index) };
            let fork = if fulu { ForkName::Fulu } else { ForkName::Electra };
            let attestation = VersionedAttestation::of_partial(fork, &partial).unwrap();
            prop_assert_eq!(&VersionedAttestation::decode(&attestation.encode()).unwrap(), &attestation);
            let agreed = AgreedAttestation { data: partial.data, duty: attester_duty(3, slot) };
            prop_assert_eq!(decode_agreed(&encode_agreed(&agreed)), Ok(agreed));
        }
    }

    fn partial(committee: u64, index: u64) -> PartialAttestation {
        PartialAttestation {
            validator: pubkey(1),
            share: ShareIndex::new(2).unwrap(),
            data: attestation_data(700),
            validator_index: ValidatorIndex::new(index),
            committee_index: CommitteeIndex::new(committee),
            signature: SignatureBytes::new([0xc1; 96]),
        }
    }

    fn replaced(bytes: &[u8], position: usize, by: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[position..position + by.len()].copy_from_slice(by);
        bytes
    }
}
