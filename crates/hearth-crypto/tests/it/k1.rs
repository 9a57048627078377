//! The identity of a node.

use hearth_crypto::k1::{
    InvalidNodeKey, InvalidNodePublicKey, InvalidNodeSignature, NodeKey, NodePublicKey, checksum_address,
    ethereum_address, keccak256, recover, verify_compact,
};
use hearth_types::ExecutionAddress;
use proptest::prelude::*;
use serde_json::Value;

use crate::{bytes, list, own, seeded, shared};

/// Half the order of the curve, the largest `s` that is low.
const HALF_ORDER: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn node_key(value: &Value) -> NodeKey {
    NodeKey::from_hex(value.as_str().unwrap()).unwrap()
}

fn number(digits: &str) -> [u8; 32] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

/// Big-endian `order - s`.
fn negated(s: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits: Vec<u8> = number(ORDER)
        .iter()
        .zip(s)
        .rev()
        .map(|(of, less)| {
            let difference = i16::from(*of) - i16::from(*less) - borrow;
            borrow = i16::from(difference < 0);
            difference.rem_euclid(256) as u8
        })
        .collect();
    digits.reverse();
    digits
}

#[test]
fn signatures_equal_known_answers() {
    for case in list(&own("k1.json")["signatures"]) {
        let key = node_key(&case["secret"]);
        let digest = match &case["digest_of"] {
            Value::String(text) => keccak256(&hex::decode(text).unwrap()),
            _ => bytes(&case["digest"]),
        };
        let made = key.sign(&digest);
        assert_eq!(made[..64], bytes::<64>(&case["rs"]), "{case}");
        if let Some(v) = case["v"].as_u64() {
            assert_eq!(u64::from(made[64]), v, "{case}");
        }
        assert_eq!(recover(&digest, &made), Ok(key.public()), "{case}");
    }
}

#[test]
fn signatures_and_addresses_equal_the_shared_vectors() {
    let Some(cases) = shared("obol-cluster/k1/sign.json") else { return };
    assert!(!list(&cases).is_empty());
    for case in list(&cases) {
        let (key, digest) = (node_key(&case["private_key"]), bytes::<32>(&case["digest"]));
        let public = NodePublicKey::from_bytes(&bytes(&case["public_key"])).unwrap();
        let expected = bytes::<65>(&case["signature"]);
        assert_eq!(key.public(), public);
        assert_eq!(key.sign(&digest), expected);
        assert_eq!(recover(&digest, &expected), Ok(public));
        assert!(verify_compact(&public, &digest, expected.first_chunk().unwrap()));
        if let Some(address) = case["address"].as_str() {
            assert_eq!(checksum_address(&ethereum_address(&public)), address);
        }
    }
}

#[test]
fn the_node_identity_equals_the_shared_vector() {
    let Some(identity) = shared("obol-duties/p2p-identity.json") else { return };
    let key = node_key(&identity["private_key_hex"]);
    assert_eq!(key.public().to_bytes(), bytes(&identity["public_key_compressed_hex"]));
    let content = hex::decode(identity["enr_signed_content_rlp_hex"].as_str().unwrap()).unwrap();
    assert_eq!(keccak256(&content), bytes(&identity["enr_content_keccak256_hex"]));
    let signed = &identity["ecdsa_recoverable_sign"];
    assert_eq!(key.sign(&bytes(&signed["digest_hex"])), bytes(&signed["signature_r_s_v_hex"]));
}

#[test]
fn accounts_and_hashes_equal_known_answers() {
    let vectors = own("k1.json");
    for case in list(&vectors["accounts"]) {
        let address = ethereum_address(&node_key(&case["secret"]).public());
        assert_eq!(checksum_address(&address), case["address"].as_str().unwrap());
    }
    for (text, hash) in vectors["keccak256"].as_object().unwrap() {
        assert_eq!(keccak256(text.as_bytes()), bytes(hash), "{text:?}");
    }
}

#[test]
fn addresses_are_written_with_their_checksum() {
    let mut addresses = list(&own("k1.json")["checksums"]).to_vec();
    if let Some(more) = shared("obol-cluster/k1/checksum-addresses.json") {
        addresses.extend_from_slice(list(&more["valid"]));
    }
    for address in addresses {
        let written = checksum_address(&ExecutionAddress::new(bytes(&address)));
        assert_eq!(written, address.as_str().unwrap());
    }
}

#[test]
fn a_key_file_is_read_leniently_and_written_in_one_way() {
    let digits = "41d3ff12045b73c870529fe44f70dca2745bafbe1698ffc3c8759eef3cfbaee1";
    for (name, text) in [
        ("as written", digits.to_owned()),
        ("upper case", digits.to_uppercase()),
        ("white space around", format!(" \t{digits}\r\n")),
    ] {
        assert_eq!(*NodeKey::from_hex(&text).unwrap().to_hex(), digits, "{name}");
    }
    for (name, text, error) in [
        ("empty", String::new(), InvalidNodeKey::Hex),
        ("prefix", format!("0x{digits}"), InvalidNodeKey::Hex),
        ("prefix in place of digits", format!("0x{}", &digits[2..]), InvalidNodeKey::Hex),
        ("short", digits[2..].to_owned(), InvalidNodeKey::Hex),
        ("long", format!("{digits}00"), InvalidNodeKey::Hex),
        ("odd", digits[1..].to_owned(), InvalidNodeKey::Hex),
        ("white space within", format!("{} {}", &digits[..32], &digits[32..]), InvalidNodeKey::Hex),
        ("zero", "0".repeat(64), InvalidNodeKey::OutOfRange),
        ("order", ORDER.to_owned(), InvalidNodeKey::OutOfRange),
    ] {
        assert_eq!(NodeKey::from_hex(&text).err(), Some(error), "{name}");
    }
}

#[test]
fn malformed_signatures_and_keys_are_refused() {
    let key = NodeKey::generate(&mut seeded(1));
    let digest = [3; 32];
    let good = key.sign(&digest);
    for length in [0, 1, 64, 66, 130] {
        assert_eq!(recover(&digest, &vec![1; length]), Err(InvalidNodeSignature::Length(length)));
    }
    for v in [2, 3, 4, 26, 29, 30, 255] {
        let mut signature = good;
        signature[64] = v;
        assert_eq!(recover(&digest, &signature), Err(InvalidNodeSignature::RecoveryId(v)));
    }
    for (name, part, number) in [
        ("r of zero", 0..32, [0; 32]),
        ("s of zero", 32..64, [0; 32]),
        ("r at the order", 0..32, number(ORDER)),
        ("s at the order", 32..64, number(ORDER)),
    ] {
        let mut signature = good;
        signature[part].copy_from_slice(&number);
        assert_eq!(recover(&digest, &signature), Err(InvalidNodeSignature::NoKey), "{name}");
        assert!(!verify_compact(&key.public(), &digest, signature.first_chunk().unwrap()), "{name}");
    }
    for first in [0, 1, 4, 5, 6, 7, 255] {
        let mut bytes = key.public().to_bytes();
        bytes[0] = first;
        assert_eq!(NodePublicKey::from_bytes(&bytes), Err(InvalidNodePublicKey), "{first}");
    }
    assert_eq!(NodePublicKey::from_bytes(&[0; 33]), Err(InvalidNodePublicKey));
}

#[test]
fn both_ways_of_writing_v_and_both_values_of_s_lead_to_the_key() {
    let (key, digest) = (NodeKey::generate(&mut seeded(2)), [9; 32]);
    let good = key.sign(&digest);
    let mut old_style = good;
    old_style[64] += 27;
    assert_eq!(recover(&digest, &old_style), Ok(key.public()));

    let mut high = good;
    high[32..64].copy_from_slice(&negated(&good[32..64]));
    high[64] ^= 1;
    assert_eq!(recover(&digest, &high), Ok(key.public()));
    assert!(verify_compact(&key.public(), &digest, high.first_chunk().unwrap()));
}

proptest! {
    #[test]
    fn a_signature_leads_to_its_key_and_has_a_low_s(seed in any::<u64>(), digest in any::<[u8; 32]>()) {
        let key = NodeKey::generate(&mut seeded(seed));
        let signature = key.sign(&digest);
        prop_assert!(signature[32..64] <= number(HALF_ORDER)[..]);
        prop_assert!(signature[64] <= 1);
        prop_assert_eq!(recover(&digest, &signature), Ok(key.public()));
        prop_assert!(verify_compact(&key.public(), &digest, signature.first_chunk().unwrap()));
        prop_assert_eq!(key.sign(&digest), signature);

        let mut other = digest;
        other[0] ^= 1;
        prop_assert!(recover(&other, &signature) != Ok(key.public()));
        prop_assert!(!verify_compact(&key.public(), &other, signature.first_chunk().unwrap()));
        prop_assert_eq!(NodePublicKey::from_bytes(&key.public().to_bytes()), Ok(key.public()));
        prop_assert_eq!(&key.public().to_uncompressed()[1..33], &key.public().to_bytes()[1..]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        signature in proptest::collection::vec(any::<u8>(), 0..70), rs in any::<[u8; 32]>(), public in any::<[u8; 33]>(), v in 0u8..2,
    ) {
        let _any = recover(&[1; 32], &signature);
        let _any = NodePublicKey::from_bytes(&public);
        let whole: Vec<u8> = [&rs[..], &rs[..], &[v]].concat();
        if let Ok(key) = recover(&rs, &whole) {
            prop_assert!(verify_compact(&key, &rs, whole.first_chunk().unwrap()));
        }
    }
}
