//! Which validators an attestation in a block stands for: the proof that a duty arrived on the chain. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hearth_types::{AttestationData, CommitteeIndex, Slot, ValidatorIndex};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::wire::Committee;

/// Longest aggregation bitlist: 64 committees of 2,048 validators and the length bit.
///
/// Source: consensus-specs, electra/beacon-chain.md, `MAX_VALIDATORS_PER_COMMITTEE * MAX_COMMITTEES_PER_SLOT`.
const MAX_BIT_BYTES: usize = 64 * 2_048 / 8 + 1;

/// An aggregate in a block, as from Electra on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct BlockAttestation {
    /// The vote.
    pub data: AttestationData,
    /// SSZ bitlist over the members of the chosen committees, one committee after the other.
    #[serde(deserialize_with = "hex_bytes")]
    aggregation_bits: Vec<u8>,
    /// SSZ bitvector of the chosen committees.
    #[serde(deserialize_with = "hex_bytes")]
    committee_bits: Vec<u8>,
}

/// Bits that do not fit the committees.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum NotCounted {
    /// A committee of the attestation was not given.
    #[error("committee {committee} of slot {slot} is not known")]
    UnknownCommittee {
        /// Slot of the attestation.
        slot: Slot,
        /// The committee.
        committee: CommitteeIndex,
    },
    /// The bitlist has no length bit.
    #[error("the aggregation bits have no end")]
    NoEnd,
    /// The bitlist's length is not the number of members.
    #[error("{bits} aggregation bits for {members} committee members")]
    Length {
        /// Bits in the attestation.
        bits: usize,
        /// Members of its committees.
        members: usize,
    },
}

/// Where some validators sit in the committees of a slot: what is needed of them to find those validators' votes, and small
/// however large the committees are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Places {
    committees: BTreeMap<(Slot, CommitteeIndex), Seats>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Seats {
    members: usize,
    /// Positions of those who are wanted, lowest first.
    wanted: Vec<(usize, ValidatorIndex)>,
}

impl Places {
    /// The places of the validators that are `wanted`.
    pub fn of(committees: &[Committee], wanted: impl Fn(ValidatorIndex) -> bool) -> Self {
        let seats = |committee: &Committee| {
            let members = committee.validators.iter().copied().enumerate();
            Seats {
                members: committee.validators.len(),
                wanted: members.filter(|(_, validator)| wanted(*validator)).collect(),
            }
        };
        let committees =
            committees.iter().map(|committee| ((committee.slot, committee.index), seats(committee)));
        Self { committees: committees.collect() }
    }
}

impl BlockAttestation {
    /// Those of `places` for whom it stands, given all committees of its slot.
    ///
    /// Source: consensus-specs, electra/beacon-chain.md, `get_attesting_indices`.
    pub fn attesters(&self, places: &Places) -> Result<Vec<ValidatorIndex>, NotCounted> {
        let mut members = 0;
        let mut attesters = Vec::new();
        for committee in set_bits(&self.committee_bits).map(|bit| CommitteeIndex::new(bit as u64)) {
            let slot = self.data.slot;
            let seats = places.committees.get(&(slot, committee));
            let seats = seats.ok_or(NotCounted::UnknownCommittee { slot, committee })?;
            let attested = |(position, _): &&(usize, ValidatorIndex)| self.has_bit(members + position);
            attesters.extend(seats.wanted.iter().filter(attested).map(|(_, validator)| *validator));
            members += seats.members;
        }
        let end = set_bits(&self.aggregation_bits).last().ok_or(NotCounted::NoEnd)?;
        if end != members {
            return Err(NotCounted::Length { bits: end, members });
        }
        Ok(attesters)
    }

    fn has_bit(&self, bit: usize) -> bool {
        self.aggregation_bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }
}

/// Positions of the ones, least significant bit of the first byte first.
fn set_bits(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().flat_map(|(position, byte)| {
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| position * 8 + bit)
    })
}

fn hex_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("expected 0x and hex"))?;
    if digits.len() > 2 * MAX_BIT_BYTES {
        return Err(D::Error::custom("more bits than a slot has validators"));
    }
    hex::decode(digits).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestation(aggregation_bits: &[u8], committee_bits: &[u8]) -> BlockAttestation {
        let root = format!("0x{}", "00".repeat(32));
        serde_json::from_value(serde_json::json!({
            "aggregation_bits": format!("0x{}", hex::encode(aggregation_bits)),
            "committee_bits": format!("0x{}", hex::encode(committee_bits)),
            "signature": "ignored",
            "data": {
                "slot": "9", "index": "0", "beacon_block_root": root,
                "source": { "epoch": "0", "root": root }, "target": { "epoch": "1", "root": root },
            },
        }))
        .unwrap()
    }

    fn committee(index: u64, slot: u64, validators: impl IntoIterator<Item = u64>) -> Committee {
        let validators = validators.into_iter().map(ValidatorIndex::new).collect();
        Committee { index: CommitteeIndex::new(index), slot: Slot::new(slot), validators }
    }

    #[test]
    fn the_bits_of_several_committees_follow_one_another() {
        let committees = [committee(0, 9, 10..13), committee(1, 9, 20..29), committee(3, 9, 30..32)];
        for (name, bits, chosen, expected) in [
            ("one committee", vec![0b1101], vec![0b0001], Ok(vec![10, 12])),
            ("nobody", vec![0b1000], vec![0b0001], Ok(vec![])),
            ("first and last", vec![0b11_0010], vec![0b1001], Ok(vec![11, 31])),
            ("across bytes", vec![0b0000_0001, 0b11], vec![0b0010], Ok(vec![20, 28])),
            (
                "too short",
                vec![0b0000_0001, 0b01],
                vec![0b0010],
                Err(NotCounted::Length { bits: 8, members: 9 }),
            ),
            ("no end", vec![], vec![0b0001], Err(NotCounted::NoEnd)),
            ("zeros only", vec![0, 0], vec![0b0001], Err(NotCounted::NoEnd)),
            (
                "committee not given",
                vec![0b1],
                vec![0b0100],
                Err(NotCounted::UnknownCommittee { slot: Slot::new(9), committee: CommitteeIndex::new(2) }),
            ),
        ] {
            let found = attestation(&bits, &chosen).attesters(&Places::of(&committees, |_| true));
            let expected = expected.map(|v: Vec<u64>| v.into_iter().map(ValidatorIndex::new).collect());
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn only_those_who_are_wanted_are_named_and_the_others_keep_their_bits() {
        let committees = [committee(0, 9, 10..13), committee(1, 9, 20..29)];
        let places = Places::of(&committees, |validator| [12, 20, 21].contains(&validator.get()));
        let found = attestation(&[0b0000_1111, 0b1_0000], &[0b11]).attesters(&places);
        assert_eq!(found, Ok([12, 20].map(ValidatorIndex::new).to_vec()));
    }

    #[test]
    fn committees_of_another_slot_do_not_count() {
        let places = Places::of(&[committee(0, 8, 10..13)], |_| true);
        let refused = attestation(&[0b1101], &[1]).attesters(&places);
        assert_eq!(
            refused,
            Err(NotCounted::UnknownCommittee { slot: Slot::new(9), committee: CommitteeIndex::new(0) })
        );
    }
}
