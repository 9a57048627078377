//! Which bytes are keys, points and signatures, and which are not.

use std::collections::HashSet;

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{InvalidPoint, InvalidSecretKey, PublicKey, SecretKey, Signature};
use proptest::prelude::*;

use crate::{ROOT, bytes, own, seeded};

/// Modulus of the field that coordinates live in.
const MODULUS: &str =
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

const COMPRESSED: u8 = 0x80;
const INFINITY: u8 = 0x40;
const SIGN: u8 = 0x20;

fn a_key() -> [u8; 48] {
    SecretKey::generate(&mut seeded(1)).public_key().to_bytes()
}

fn a_signature() -> [u8; 96] {
    *SecretKey::generate(&mut seeded(1)).sign(&ROOT).to_bytes().as_bytes()
}

fn with_flags<const N: usize>(mut bytes: [u8; N], flags: u8) -> [u8; N] {
    bytes[0] = bytes[0] & 0x1f | flags;
    bytes
}

fn number<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

#[test]
fn the_point_at_infinity_is_neither_a_key_nor_a_signature() {
    let flags = COMPRESSED | INFINITY;
    assert_eq!(PublicKey::from_bytes(&with_flags([0; 48], flags)), Err(InvalidPoint::Infinity));
    assert_eq!(Signature::from_bytes(&with_flags([0; 96], flags)), Err(InvalidPoint::Infinity));
}

#[test]
fn wrong_flag_bits_are_refused() {
    for (name, flags) in [
        ("uncompressed", 0),
        ("uncompressed with a sign", SIGN),
        ("uncompressed infinity", INFINITY),
        ("infinity with a coordinate", COMPRESSED | INFINITY),
        ("infinity with a coordinate and a sign", COMPRESSED | INFINITY | SIGN),
    ] {
        assert_eq!(PublicKey::from_bytes(&with_flags(a_key(), flags)), Err(InvalidPoint::Encoding), "{name}");
        assert_eq!(
            Signature::from_bytes(&with_flags(a_signature(), flags)),
            Err(InvalidPoint::Encoding),
            "{name}"
        );
    }
    for (name, flags) in [("all zero", 0), ("infinity with a sign", COMPRESSED | INFINITY | SIGN)] {
        assert_eq!(PublicKey::from_bytes(&with_flags([0; 48], flags)), Err(InvalidPoint::Encoding), "{name}");
        assert_eq!(Signature::from_bytes(&with_flags([0; 96], flags)), Err(InvalidPoint::Encoding), "{name}");
    }
}

#[test]
fn the_other_sign_is_another_point() {
    let (key, signature) = (a_key(), a_signature());
    let other = PublicKey::from_bytes(&with_flags(key, key[0] & 0xe0 ^ SIGN)).unwrap();
    assert_ne!(other, PublicKey::from_bytes(&key).unwrap());
    let negated = Signature::from_bytes(&with_flags(signature, signature[0] & 0xe0 ^ SIGN)).unwrap();
    assert!(!negated.verify(&PublicKey::from_bytes(&key).unwrap(), &ROOT));
    assert!(negated.verify(&other, &ROOT));
}

#[test]
fn a_coordinate_at_or_above_the_modulus_is_refused() {
    let modulus = number::<48>(MODULUS);
    let mut above = modulus;
    above[47] += 1;
    for (name, x) in [("modulus", modulus), ("above", above), ("all ones", [0xff; 48])] {
        let x = with_flags(x, COMPRESSED);
        assert_eq!(PublicKey::from_bytes(&x), Err(InvalidPoint::Encoding), "{name}");

        let mut first = a_signature();
        first[..48].copy_from_slice(&x);
        assert_eq!(Signature::from_bytes(&first), Err(InvalidPoint::Encoding), "{name}, imaginary part");
        let mut second = a_signature();
        second[48..].copy_from_slice(&x);
        second[48] &= 0x1f;
        assert_eq!(Signature::from_bytes(&second), Err(InvalidPoint::Encoding), "{name}, real part");
    }
}

#[test]
fn points_outside_the_subgroup_are_refused() {
    let vectors = own("bls.json");
    for (name, point) in vectors["keys_outside_the_subgroup"].as_object().unwrap() {
        assert_eq!(PublicKey::from_bytes(&bytes(point)), Err(InvalidPoint::NotInSubgroup), "{name}");
    }
    for (name, point) in vectors["signatures_outside_the_subgroup"].as_object().unwrap() {
        assert_eq!(Signature::from_bytes(&bytes(point)), Err(InvalidPoint::NotInSubgroup), "{name}");
    }
}

#[test]
fn small_coordinates_are_off_the_curve_or_outside_the_subgroup() {
    let mut seen = HashSet::new();
    for x in 0..64 {
        let (mut key, mut signature) = (with_flags([0; 48], COMPRESSED), with_flags([0; 96], COMPRESSED));
        (key[47], signature[95]) = (x, x);
        let answers =
            [PublicKey::from_bytes(&key).unwrap_err(), Signature::from_bytes(&signature).unwrap_err()];
        assert!(
            !answers.contains(&InvalidPoint::Encoding) && !answers.contains(&InvalidPoint::Infinity),
            "{x}"
        );
        seen.extend(answers.map(|answer| answer == InvalidPoint::NotOnCurve));
    }
    assert_eq!(seen.len(), 2, "both kinds were met");
}

#[test]
fn a_secret_key_is_neither_zero_nor_at_or_above_the_order() {
    let order = number::<32>(ORDER);
    let mut largest = order;
    largest[31] -= 1;
    for (name, secret, allowed) in [
        ("zero", [0; 32], false),
        ("order", order, false),
        ("all ones", [0xff; 32], false),
        ("largest", largest, true),
    ] {
        let read = SecretKey::from_bytes(&secret);
        assert_eq!(read.as_ref().map(|key| *key.to_bytes()).ok(), allowed.then_some(secret), "{name}");
        assert_eq!(read.err(), (!allowed).then_some(InvalidSecretKey), "{name}");
    }
}

#[test]
fn secrets_do_not_show_in_debug() {
    let (key, node) = (SecretKey::generate(&mut seeded(4)), NodeKey::generate(&mut seeded(4)));
    assert_eq!(format!("{key:?} {key:#?}"), "SecretKey(..) SecretKey(..)");
    assert_eq!(format!("{node:?} {node:#?}"), "NodeKey(..) NodeKey(..)");
}

#[test]
fn public_keys_are_ordered_as_their_bytes_are() {
    let mut keys: Vec<PublicKey> =
        (0..20).map(|seed| SecretKey::generate(&mut seeded(seed)).public_key()).collect();
    keys.sort();
    assert!(keys.iter().map(PublicKey::to_bytes).is_sorted());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_are_the_only_encoding_of_what_they_mean(
        key in any::<[u8; 48]>(), first in any::<[u8; 48]>(), second in any::<[u8; 48]>(), flags in 0u8..8,
    ) {
        let key = with_flags(key, flags << 5);
        if let Ok(read) = PublicKey::from_bytes(&key) {
            prop_assert_eq!(read.to_bytes(), key);
        }
        let mut signature = [0; 96];
        signature[..48].copy_from_slice(&with_flags(first, flags << 5));
        signature[48..].copy_from_slice(&second);
        if let Ok(read) = Signature::from_bytes(&signature) {
            prop_assert_eq!(*read.to_bytes().as_bytes(), signature);
        }
    }

    #[test]
    fn a_key_or_signature_with_one_flipped_bit_never_passes_for_the_original(bit in 0usize..96 * 8) {
        let (mut key, mut signature) = (a_key(), a_signature());
        let (good_key, good_signature) = (PublicKey::from_bytes(&key).unwrap(), Signature::from_bytes(&signature).unwrap());
        signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!Signature::from_bytes(&signature).is_ok_and(|read| read.verify(&good_key, &ROOT)));
        key[bit / 16] ^= 1 << (bit % 8);
        prop_assert!(!PublicKey::from_bytes(&key).is_ok_and(|read| good_signature.verify(&read, &ROOT)));
    }

    #[test]
    fn secret_keys_survive_the_way_to_bytes_and_back(seed in any::<u64>()) {
        let key = SecretKey::generate(&mut seeded(seed));
        let again = SecretKey::from_bytes(&key.to_bytes()).unwrap();
        prop_assert_eq!(key.public_key(), again.public_key());
    }
}
