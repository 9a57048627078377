//! Values that the cluster agrees on.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_duties::{AgreedAttestation, AgreedValue, Dialect as _, Digest, Value};
use hearth_obol::wire::ObolDialect;
use hearth_types::{AttestationData, AttesterDuty, Duty, DutyKind, Slot, ValidatorPubkey};
use proptest::prelude::*;

use crate::support::{attestation_data, attester_duty, pubkey};
use crate::{bytes, pb, vector_json};

const DUTY: Duty = Duty::attester(Slot::new(123));

#[test]
fn the_value_of_the_reference_is_written_and_named_as_the_reference_does() {
    let Some(json) = vector_json("hashproto-unsigned-attester.json") else { return };
    let attestations: BTreeMap<ValidatorPubkey, AgreedAttestation> = json
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, entry)| {
            let data: AttestationData = serde_json::from_value(entry["attestation_data"].clone()).unwrap();
            let duty: AttesterDuty = serde_json::from_value(entry["attestation_duty"].clone()).unwrap();
            (key.parse().unwrap(), AgreedAttestation { data, duty })
        })
        .collect();
    let agreed = AgreedValue::Attestations(attestations);
    let value = ObolDialect.encode_value(&agreed);
    assert_eq!(value.bytes.len(), 338);
    assert_eq!(hex::encode(value.digest.0), "d8f9bc3de8b0cb0e3eb1f773c14a96d58f7acaf0f09192ce6562d84ea315e67b");
    assert_eq!(ObolDialect.decode_value(DUTY, &value), Ok(agreed));
}

#[test]
fn sets_of_the_specification_are_read_and_written_again_to_the_same_bytes() {
    let Some(json) = vector_json("unsigned-data-sets.json") else { return };
    for case in json["cases"].as_array().unwrap().iter().filter(|case| case["duty_type"] == 2) {
        let digest = Digest(bytes(&case["value_hash_hex"]).try_into().unwrap());
        let value = Value { digest, bytes: bytes(&case["set_hex"]).into() };
        let agreed = ObolDialect.decode_value(DUTY, &value).unwrap();
        let AgreedValue::Attestations(attestations) = &agreed;
        let keys: Vec<String> = attestations.keys().map(ToString::to_string).collect();
        assert_eq!(keys, [case["pubkey"].as_str().unwrap()]);
        assert_eq!(ObolDialect.encode_value(&agreed), value, "{}", case["name"]);
    }
}

#[test]
fn malformed_values_are_refused_with_a_reason() {
    let good = agreed(&[1, 2]);
    let key = pubkey(1).to_string();
    let entry =
        |key: &str, value: &[u8]| pb::bytes(1, &[pb::bytes(1, key.as_bytes()), pb::bytes(2, value)].concat());
    let whole_entry = {
        let whole = ObolDialect.encode_value(&agreed(&[0xaa])).bytes;
        whole[whole.len() - 232..].to_vec()
    };
    let fine = Value { digest: Digest([0; 32]), bytes: entry(&pubkey(0xaa).to_string(), &whole_entry).into() };
    assert_eq!(ObolDialect.decode_value(DUTY, &fine), Ok(agreed(&[0xaa])));
    let payload = hex::decode("0800000088000000").unwrap();
    for (name, duty, bytes) in [
        ("no entry", DUTY, vec![]),
        ("not protobuf", DUTY, vec![0xff]),
        ("an entry without key and value", DUTY, pb::bytes(1, &[])),
        ("an entry without value", DUTY, pb::bytes(1, &pb::bytes(1, key.as_bytes()))),
        ("an entry without key", DUTY, pb::bytes(1, &pb::bytes(2, &payload))),
        ("a value cut short", DUTY, entry(&key, &payload)),
        ("a prefix in capitals", DUTY, entry(&key.replace("0x", "0X"), &payload)),
        ("a key in capitals", DUTY, entry(&format!("0x{}", "AA".repeat(48)), &whole_entry)),
        ("a key without prefix", DUTY, entry(&"aa".repeat(48), &whole_entry)),
        ("a key of 47 bytes", DUTY, entry(&key[..96], &payload)),
        ("a key that is not text", DUTY, pb::bytes(1, &pb::bytes(1, &[0xff, 0xfe]))),
        ("a number for an entry", DUTY, pb::number(1, 1)),
        (
            "a proposer",
            Duty { kind: DutyKind::Proposer, ..DUTY },
            ObolDialect.encode_value(&good).bytes.to_vec(),
        ),
    ] {
        let value = Value { digest: Digest([0; 32]), bytes: bytes.into() };
        let refused = ObolDialect.decode_value(duty, &value).unwrap_err();
        assert!(!refused.reason.is_empty() && refused.reason.len() < 200, "{name}: {}", refused.reason);
    }
    let whole = ObolDialect.encode_value(&good);
    for length in 0..whole.bytes.len() {
        let cut = Value { bytes: Arc::from(&whole.bytes[..length]), ..whole.clone() };
        if let Ok(AgreedValue::Attestations(fewer)) = ObolDialect.decode_value(DUTY, &cut) {
            assert_eq!(fewer.len(), 1, "cut to {length} bytes, between the entries");
        }
    }
}

#[test]
fn a_value_written_as_json_is_read_too() {
    let agreed = agreed(&[1]);
    let AgreedValue::Attestations(attestations) = &agreed;
    let (key, entry) = attestations.first_key_value().unwrap();
    let json =
        serde_json::json!({ "attestation_data": entry.data, "attestation_duty": entry.duty }).to_string();
    let set = [pb::bytes(1, key.to_string().as_bytes()), pb::bytes(2, json.as_bytes())].concat();
    let value = Value { digest: Digest([0; 32]), bytes: pb::bytes(1, &set).into() };
    assert_eq!(ObolDialect.decode_value(DUTY, &value), Ok(agreed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = ObolDialect.decode_value(DUTY, &Value { digest: Digest([0; 32]), bytes: bytes.into() });
    }

    #[test]
    fn a_value_reads_as_it_was_written(validators in proptest::collection::vec(any::<u8>(), 1..20)) {
        let agreed = agreed(&validators);
        prop_assert_eq!(ObolDialect.decode_value(DUTY, &ObolDialect.encode_value(&agreed)), Ok(agreed));
    }
}

fn agreed(validators: &[u8]) -> AgreedValue {
    let entry =
        |v: &u8| (pubkey(*v), AgreedAttestation { data: attestation_data(123), duty: attester_duty(*v, 123) });
    AgreedValue::Attestations(validators.iter().map(entry).collect())
}
