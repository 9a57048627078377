//! Partial signatures between operators.

use std::collections::BTreeMap;

use hearth_crypto::SecretKey;
use hearth_duties::{Cluster, ClusterValidator, PartialAttestation, PartialSet};
use hearth_obol::wire::partial::{self, EntryRejection, PartialRejection, SetRejection};
use hearth_obol::wire::{Gate, Malformed, Untimely};
use hearth_types::{
    CommitteeIndex, Duty, DutyKind, Epoch, ForkName, OperatorIndex, ShareIndex, SignatureBytes, Slot,
    Threshold, UnknownFork, ValidatorIndex,
};
use proptest::prelude::*;

use crate::support::{at, attestation_data, pubkey, spec};
use crate::{bytes, pb, vector_json};

const SLOT: u64 = 123;
const DUTY: Duty = Duty::attester(Slot::new(SLOT));

#[test]
fn a_message_of_ours_keeps_its_bytes() {
    let expected = include_str!("../vectors/wire-partials.hex").trim();
    assert_eq!(hex::encode(partial::encode(&spec(), &set(&[1, 2])).unwrap()), expected);
    assert_eq!(decode(&hex::decode(expected).unwrap()), Ok(set(&[1, 2])));
}

#[test]
fn a_message_has_the_fields_of_the_protocol() {
    let data = |validator: u8| {
        let envelope =
            "0500000000000000".to_owned() + &hex::encode([validator, 4, 0, 0, 0, 0, 0, 0]) + "14000000";
        let bits = hex::decode("080000000000000001").unwrap();
        let vote = ssz::Encode::as_ssz_bytes(&attestation_data(SLOT));
        [hex::decode(envelope).unwrap(), vec![0xec, 0, 0, 0], vote, vec![0xc1; 96], bits].concat()
    };
    let frame = message(&duty_bytes(SLOT, 2), &[entry(1, &data(1), 2), entry(2, &data(2), 2)]);
    assert_eq!(partial::encode(&spec(), &set(&[2, 1])), Ok(frame.clone()));
    assert_eq!(decode(&frame), Ok(set(&[1, 2])));
}

#[test]
fn the_attester_message_of_the_specification_is_read_up_to_its_random_content() {
    let Some(json) = vector_json("parsigex-messages.json") else { return };
    let case = json["cases"].as_array().unwrap().iter().find(|case| case["duty"]["type"] == 2).unwrap();
    let frame = bytes(&case["msg_hex"]);
    assert_eq!([pb::varint(frame.len() as u64), frame.clone()].concat(), bytes(&case["framed_hex"]));
    let key = case["pubkey"].as_str().unwrap();
    let data = [
        pb::bytes(1, &bytes(&case["data_hex"])),
        pb::bytes(2, &bytes(&case["signature_hex"])),
        pb::number(3, case["share_idx"].as_u64().unwrap()),
    ];
    let entry = pb::bytes(1, &[pb::bytes(1, key.as_bytes()), pb::bytes(2, &data.concat())].concat());
    assert_eq!(message(&duty_bytes(100, 2), &[entry]), frame);

    let mut cluster = cluster();
    let validator = cluster.validators.pop_first().unwrap().1;
    cluster.validators.insert(key.parse().unwrap(), validator);
    let spec = spec();
    let read = partial::decode(&frame, &cluster, &Gate::new(&spec, at(100 * 12_000)));
    let reason = EntryRejection::Malformed(Malformed::Rule("committee bits do not name exactly one committee"));
    assert_eq!(read, Err(PartialRejection::Entry { validator: key.parse().unwrap(), reason }));
}

#[test]
fn messages_of_other_duties_of_the_specification_are_refused_as_not_performed() {
    let Some(json) = vector_json("parsigex-messages.json") else { return };
    for case in json["cases"].as_array().unwrap().iter().filter(|case| case["duty"]["type"] != 2) {
        let kind = DutyKind::from_number(case["duty"]["type"].as_i64().unwrap()).unwrap();
        let duty = Duty { slot: Slot::new(case["duty"]["slot"].as_u64().unwrap()), kind };
        let spec = spec();
        let read = partial::decode(
            &bytes(&case["msg_hex"]),
            &cluster(),
            &Gate::new(&spec, spec.slot_start(duty.slot)),
        );
        assert_eq!(read, Err(PartialRejection::NotPerformed(duty)), "{}", case["name"]);
    }
}

#[test]
fn each_rule_of_a_message_is_enforced() {
    let (duty, good) = (duty_bytes(SLOT, 2), entry(1, &data_of(1), 2));
    let entries = |entries: &[Vec<u8>]| message(&duty, entries);
    let data_set = pb::bytes(2, &good);
    let missing = PartialRejection::Missing;
    let malformed = |reason| refused(1, EntryRejection::Malformed(reason));
    let nested = Malformed::Ssz("attestation envelope");
    let too_far = Untimely::TooFarAhead { duty: Duty::attester(Slot::new(192)), now: Epoch::new(3) };
    let expired =
        Untimely::Expired { duty: Duty::attester(Slot::new(90)), deadline: at(90 * 12_000 + 385_000) };
    let off_slot = PartialAttestation { data: attestation_data(122), ..partial_of(1) };
    let off_slot = set_of(Duty::attester(Slot::new(122)), vec![off_slot]);
    let off_slot = partial::encode(&spec(), &off_slot).unwrap();
    for (name, frame, expected) in [
        ("nothing", vec![], missing("duty")),
        ("no duty", data_set.clone(), missing("duty")),
        ("no data set", pb::bytes(1, &duty), missing("data set")),
        ("empty data set", entries(&[]), PartialRejection::Empty),
        ("a number for the duty", pb::number(1, 1), PartialRejection::Undecodable),
        ("a number for the set", pb::number(2, 1), PartialRejection::Undecodable),
        ("noise", vec![0xff; 30], PartialRejection::Undecodable),
        ("duty type 0", message(&[], std::slice::from_ref(&good)), PartialRejection::DutyKind(0)),
        (
            "duty type 5",
            message(&duty_bytes(SLOT, 5), std::slice::from_ref(&good)),
            PartialRejection::DutyKind(5),
        ),
        (
            "duty type -1",
            message(&duty_bytes(SLOT, u64::MAX), std::slice::from_ref(&good)),
            PartialRejection::DutyKind(-1),
        ),
        ("too far ahead", message(&duty_bytes(192, 2), std::slice::from_ref(&good)), too_far.into()),
        ("expired", message(&duty_bytes(90, 2), std::slice::from_ref(&good)), expired.into()),
        (
            "two duties",
            [pb::bytes(1, &duty), pb::bytes(1, &duty), data_set.clone()].concat(),
            PartialRejection::Undecodable,
        ),
        (
            "two sets",
            [pb::bytes(1, &duty), data_set.clone(), data_set.clone()].concat(),
            PartialRejection::Undecodable,
        ),
        ("a broken duty", message(&[0x08], std::slice::from_ref(&good)), PartialRejection::Undecodable),
        (
            "too long a set",
            message(&duty, &[pb::bytes(9, &[0; 2 * 4_096])]),
            PartialRejection::TooLong { bytes: 8_195, most: 8_192 },
        ),
        ("an entry without key", entries(&[pb::bytes(1, &[])]), PartialRejection::ForeignValidator),
        (
            "a key that is no text",
            entries(&[pb::bytes(1, &pb::bytes(1, &[0xff]))]),
            PartialRejection::Undecodable,
        ),
        (
            "another cluster's validator",
            entries(&[entry(9, &data_of(9), 2)]),
            PartialRejection::ForeignValidator,
        ),
        (
            "one entry of three foreign",
            entries(&[good.clone(), entry(9, &data_of(9), 2)]),
            PartialRejection::ForeignValidator,
        ),
        (
            "more entries than validators",
            entries(&[good.clone(), entry(8, &[], 2), entry(9, &[], 2)]),
            PartialRejection::TooMany { entries: 3, most: 2 },
        ),
        ("share 0", entries(&[entry(1, &data_of(1), 0)]), refused(1, EntryRejection::Share(0))),
        ("share 5 of 4", entries(&[entry(1, &data_of(1), 5)]), refused(1, EntryRejection::Share(5))),
        ("share -1", entries(&[entry(1, &data_of(1), u64::MAX)]), refused(1, EntryRejection::Share(-1))),
        ("share 257", entries(&[entry(1, &data_of(1), 257)]), refused(1, EntryRejection::Share(257))),
        ("no data", entries(&[entry(1, &[], 2)]), malformed(nested)),
        (
            "data cut short",
            entries(&[entry(1, &data_of(1)[..200], 2)]),
            malformed(Malformed::Ssz("attestation")),
        ),
        (
            "data that is no JSON",
            entries(&[entry(1, b"{\n", 2)]),
            malformed(Malformed::Json { line: 2, column: 0 }),
        ),
        (
            "a vote of another slot",
            replaced_duty(&off_slot, SLOT),
            refused(1, EntryRejection::OffSlot(Slot::new(122))),
        ),
    ] {
        assert_eq!(decode(&frame), Err(expected), "{name}");
    }
    let later_field = [entries(std::slice::from_ref(&good)), pb::number(9, 1)].concat();
    assert_eq!(decode(&later_field), Ok(set(&[1])), "a field of a later version is ignored");
    let without_signature = pb::bytes(
        1,
        &[
            pb::bytes(1, pubkey(1).to_string().as_bytes()),
            pb::bytes(2, &[pb::bytes(1, &data_of(1)), pb::number(3, 2)].concat()),
        ]
        .concat(),
    );
    assert_eq!(decode(&entries(&[without_signature])), Ok(set(&[1])), "the copy of the signature is ignored");
    assert_eq!(decode(&entries(&[entry(1, b"{", 2), good])), Ok(set(&[1])), "the last of equal keys counts");
}

#[test]
fn a_partial_written_as_json_is_read_too() {
    let PartialAttestation { data, signature, .. } = partial_of(1);
    let bits = "0x0800000000000000";
    let attestation = serde_json::json!({
        "aggregation_bits": "0x01", "data": data, "signature": signature, "committee_bits": bits
    });
    let read = |validator_index: serde_json::Value, attestation: &serde_json::Value| {
        let json = serde_json::json!({
            "version": 5, "validator_index": validator_index, "attestation": attestation
        });
        decode(&message(&duty_bytes(SLOT, 2), &[entry(1, format!(" {json}").as_bytes(), 2)]))
    };
    assert_eq!(read("1025".into(), &attestation), Ok(set(&[1])));
    assert!(read(serde_json::Value::Null, &attestation).is_err());
    assert!(read(1025.into(), &attestation).is_err(), "numbers are strings");
    for (field, value) in [
        ("committee_bits", "0x08000000000000"),
        ("committee_bits", "0x080000000000000000"),
        ("committee_bits", "0800000000000000"),
        ("committee_bits", "0x080000000000000g"),
        ("aggregation_bits", "0x"),
        ("aggregation_bits", "0x0100"),
        ("signature", "0x00"),
    ] {
        let mut bad = attestation.clone();
        bad[field] = value.into();
        assert!(read("1025".into(), &bad).is_err(), "{field} {value}");
    }
}

#[test]
fn a_set_that_peers_would_refuse_is_not_sent() {
    let at_slot = |slot: u64| set_of(Duty::attester(Slot::new(slot)), vec![partial_of(1)]);
    let committee = PartialAttestation { committee_index: CommitteeIndex::new(64), ..partial_of(1) };
    let proposer = Duty { kind: DutyKind::Proposer, ..DUTY };
    let beyond = UnknownFork { epoch: Epoch::new(30), horizon: Epoch::new(30) };
    for (name, set, expected) in [
        ("none", set_of(DUTY, vec![]), SetRejection::Empty),
        ("twice", set_of(DUTY, vec![partial_of(1); 2]), SetRejection::Repeated(pubkey(1))),
        ("committee 64", set_of(DUTY, vec![committee]), SetRejection::Committee(CommitteeIndex::new(64))),
        ("a proposer", set_of(proposer, vec![partial_of(1)]), SetRejection::NotPerformed(proposer)),
        ("before electra", at_slot(31), SetRejection::OldFork(ForkName::Deneb)),
        ("beyond the known forks", at_slot(30 * 32), SetRejection::UnknownFork(beyond)),
    ] {
        assert_eq!(partial::encode(&spec(), &set), Err(expected), "{name}");
    }
}

#[test]
fn the_envelope_names_the_fork_of_the_slot() {
    for (slot, version) in [(32, 5), (20 * 32 - 1, 5), (20 * 32, 6), (30 * 32 - 1, 6)] {
        let set = set_of(Duty::attester(Slot::new(slot)), vec![partial_of(1)]);
        let frame = partial::encode(&spec(), &set).unwrap();
        let envelope = [version, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x04, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0];
        assert!(frame.windows(envelope.len()).any(|window| window == envelope), "slot {slot}");
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    let frame = partial::encode(&spec(), &set(&[1, 2])).unwrap();
    for length in 0..frame.len() {
        assert!(decode(&frame[..length]).is_err(), "cut to {length} bytes");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = decode(&message(&duty_bytes(SLOT, 2), &[entry(1, &bytes, 2)]));
    }

    #[test]
    fn a_changed_byte_never_panics(position: prop::sample::Index, by in 1_u8..) {
        let mut frame = partial::encode(&spec(), &set(&[1, 2])).unwrap();
        let position = position.index(frame.len());
        frame[position] ^= by;
        let _ = decode(&frame);
    }

    #[test]
    fn a_set_reads_as_it_was_written(share in 1_u8..=4, index: u64, committee in 0_u64..64, signature: [u8; 32]) {
        let mut signature_bytes = [0; 96];
        signature_bytes[..32].copy_from_slice(&signature);
        let partial = |validator| PartialAttestation {
            share: ShareIndex::new(share).unwrap(),
            validator_index: ValidatorIndex::new(index),
            committee_index: CommitteeIndex::new(committee),
            signature: SignatureBytes::new(signature_bytes),
            ..partial_of(validator)
        };
        let set = set_of(DUTY, vec![partial(1), partial(2)]);
        prop_assert_eq!(decode(&partial::encode(&spec(), &set).unwrap()), Ok(set));
    }
}

fn decode(frame: &[u8]) -> Result<PartialSet, PartialRejection> {
    let spec = spec();
    partial::decode(frame, &cluster(), &Gate::new(&spec, at(SLOT * 12_000)))
}

fn refused(validator: u8, reason: EntryRejection) -> PartialRejection {
    PartialRejection::Entry { validator: pubkey(validator), reason }
}

fn set(validators: &[u8]) -> PartialSet {
    set_of(DUTY, validators.iter().map(|validator| partial_of(*validator)).collect())
}

fn set_of(duty: Duty, partials: Vec<PartialAttestation>) -> PartialSet {
    PartialSet { duty, partials }
}

fn partial_of(validator: u8) -> PartialAttestation {
    PartialAttestation {
        validator: pubkey(validator),
        share: ShareIndex::new(2).unwrap(),
        data: attestation_data(SLOT),
        validator_index: ValidatorIndex::new(1_024 + u64::from(validator)),
        committee_index: CommitteeIndex::new(3),
        signature: SignatureBytes::new([0xc1; 96]),
    }
}

/// What a share signed, as it is written in a message.
fn data_of(validator: u8) -> Vec<u8> {
    let frame = partial::encode(&spec(), &set(&[validator])).unwrap();
    let start = frame.windows(8).position(|window| window == [5, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    frame[start..start + 20 + 4 + 128 + 96 + 8 + 1].to_vec()
}

fn duty_bytes(slot: u64, kind: u64) -> Vec<u8> {
    [pb::number(1, slot), pb::number(2, kind)].concat()
}

fn entry(validator: u8, data: &[u8], share: u64) -> Vec<u8> {
    let data = [pb::bytes(1, data), pb::bytes(2, &[0xc1; 96]), pb::number(3, share)].concat();
    pb::bytes(1, &[pb::bytes(1, pubkey(validator).to_string().as_bytes()), pb::bytes(2, &data)].concat())
}

fn message(duty: &[u8], entries: &[Vec<u8>]) -> Vec<u8> {
    [pb::bytes(1, duty), pb::bytes(2, &entries.concat())].concat()
}

/// The same message under the duty of another slot (both below 128, so that the length stays).
fn replaced_duty(frame: &[u8], slot: u64) -> Vec<u8> {
    let length = pb::bytes(1, &duty_bytes(slot, 2)).len();
    [pb::bytes(1, &duty_bytes(slot, 2)), frame[length..].to_vec()].concat()
}

/// Four operators and the validators 1 and 2. Their keys do not matter here.
fn cluster() -> Cluster {
    let key = SecretKey::from_bytes(&[1; 32]).unwrap().public_key();
    let validator = |v| (pubkey(v), ClusterValidator { group: key, shares: vec![key; 4] });
    Cluster {
        me: OperatorIndex::new(0).unwrap(),
        operators: 4,
        threshold: Threshold::default_for(4),
        validators: BTreeMap::from([1, 2].map(validator)),
    }
}
