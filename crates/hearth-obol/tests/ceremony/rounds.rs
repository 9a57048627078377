//! The messages of FROST.

use hearth_crypto::{InvalidPoint, InvalidScalar, InvalidSecretKey, SecretKey};
use hearth_dkg::frost::{Claim, RoundOne};
use hearth_obol::ceremony::frost::{
    FrostRejection, decode_casts, decode_claims, decode_shares, encode_casts, encode_claims, encode_shares,
};
use proptest::prelude::*;

use crate::{hex_of, operator, round, terms, vector};

fn copies(shares: &[SecretKey]) -> Vec<[u8; 32]> {
    shares.iter().map(|share| *share.to_bytes()).collect()
}

fn claims() -> Vec<Claim> {
    let key = |number: u8| SecretKey::from_bytes(&[number; 32]).unwrap().public_key();
    [1, 2].map(|number| Claim { group: key(number), share: key(number + 2) }).to_vec()
}

#[test]
fn the_messages_of_the_specification_are_read_and_written_byte_for_byte() {
    let (Some(file), Some(frost)) =
        (vector("wire-bcast-frost-nodesig.json"), vector("frost-3-of-4-2-validators.json"))
    else {
        return;
    };
    let first = operator(0).share();
    let bytes = hex_of(&file["round1_cast"]["any_value"]);
    let casts = decode_casts(&bytes, first, &terms(1)).unwrap();
    for (cast, validator) in casts.iter().zip(frost["validators"].as_array().unwrap()) {
        let told = &validator["participants"][0];
        let points = cast.commitments.points().iter().map(|point| hex::encode(point.to_bytes()));
        let expected: Vec<_> = told["commitments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(points.collect::<Vec<_>>(), expected);
        assert_eq!(cast.proof.challenge().to_vec(), hex_of(&told["ci"]));
        assert_eq!(cast.proof.response().to_vec(), hex_of(&told["wi"]));
        assert!(cast.proof.holds(first, cast.commitments.of_secret().unwrap()));
    }
    assert_eq!(encode_casts(&terms(0), &casts), bytes);

    let bytes = hex_of(&file["round1_p2p"]["FrostRound1P2P"]);
    let shares = decode_shares(&bytes, first, &terms(1)).unwrap();
    for (share, validator) in copies(&shares).iter().zip(frost["validators"].as_array().unwrap()) {
        assert_eq!(share.to_vec(), hex_of(&validator["participants"][0]["shares"]["2"]));
    }
    assert_eq!(*encode_shares(&terms(0), operator(1).share(), &shares), bytes);

    let bytes = hex_of(&file["round2_cast"]["any_value"]);
    let claims = decode_claims(&bytes, first, &terms(1)).unwrap();
    for (claim, validator) in claims.iter().zip(frost["validators"].as_array().unwrap()) {
        assert_eq!(claim.group.to_bytes().to_vec(), hex_of(&validator["verification_key"]));
        assert_eq!(claim.share.to_bytes().to_vec(), hex_of(&validator["participants"][0]["vk_share"]));
    }
    assert_eq!(encode_claims(&terms(0), &claims), bytes);
}

#[test]
fn what_one_writes_another_reads() {
    let (sender, to): (RoundOne, _) = (round(2), operator(1));
    let from = operator(2).share();
    let casts = decode_casts(&encode_casts(&terms(2), sender.casts()), from, &terms(1)).unwrap();
    assert_eq!(casts, sender.casts());
    let written = encode_shares(&terms(2), to.share(), sender.shares_for(to));
    let shares = decode_shares(&written, from, &terms(1)).unwrap();
    assert_eq!(copies(&shares), copies(sender.shares_for(to)));
    assert_eq!(decode_claims(&encode_claims(&terms(2), &claims()), from, &terms(1)), Ok(claims()));
}

/// A protobuf field of bytes, or of a number.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes, content.to_vec()].concat()
}

fn key(validator: u8, source: u8, target: u8) -> Vec<u8> {
    field(1, &[8, validator, 16, source, 24, target])
}

#[test]
fn a_share_that_is_not_meant_for_us_or_said_to_be_anothers_is_refused() {
    let entry = |key: Vec<u8>, id: u8, value: &[u8]| field(1, &[key, vec![16, id], field(3, value)].concat());
    let good = |validator| entry(key(validator, 3, 2), 2, &[7; 32]);
    let order = hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001").unwrap();
    for (name, entries, expected) in [
        ("both", vec![good(0), good(1)], None),
        ("in another order", vec![good(1), good(0)], None),
        (
            "of another operator",
            vec![good(0), entry(key(1, 4, 2), 2, &[7; 32])],
            Some(FrostRejection::Source(4)),
        ),
        ("for another operator", vec![entry(key(0, 3, 4), 2, &[7; 32])], Some(FrostRejection::Target(4))),
        ("of another index", vec![good(0), entry(key(1, 3, 2), 3, &[7; 32])], Some(FrostRejection::ShareOf(3))),
        ("one validator twice", vec![good(0), good(0)], Some(FrostRejection::Repeated(0))),
        ("a validator too many", vec![good(0), good(1), good(2)], Some(FrostRejection::NoSuchValidator(2))),
        ("one missing", vec![good(1)], Some(FrostRejection::Incomplete { found: 1, wanted: 2 })),
        ("none", vec![], Some(FrostRejection::Incomplete { found: 0, wanted: 2 })),
        ("no key", vec![entry(vec![], 2, &[7; 32])], Some(FrostRejection::NoKey)),
        ("zero", vec![entry(key(0, 3, 2), 2, &[0; 32])], Some(FrostRejection::Share(InvalidSecretKey))),
        ("the order", vec![entry(key(0, 3, 2), 2, &order)], Some(FrostRejection::Share(InvalidSecretKey))),
        (
            "a short number",
            vec![entry(key(0, 3, 2), 2, &[7; 31])],
            Some(FrostRejection::Length { found: 31, wanted: 32 }),
        ),
        ("garbage", vec![vec![0xff; 9]], Some(FrostRejection::Undecodable)),
        ("a heap of it", vec![vec![0; 400]], Some(FrostRejection::TooLong { bytes: 400, most: 320 })),
    ] {
        let read = decode_shares(&entries.concat(), operator(2).share(), &terms(1));
        assert_eq!(read.map(|_| ()).err(), expected, "{name}");
    }
}

#[test]
fn the_share_of_another_index_in_a_transcript_of_the_library_behind_charon_is_refused() {
    let Some(file) = vector("kryptology-golden/malformed-share-id.json") else { return };
    let sent = file["participants"][0]["shares_sent"].as_array().unwrap();
    let share = sent.iter().find(|share| share["to"] == file["participants"][1]["id"]).unwrap();
    let index = |value: &serde_json::Value| {
        u8::try_from(value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())).unwrap()
    };
    let id = index(&share["id"]);
    let frame = field(1, &[key(0, 1, 2), vec![16, id], field(3, &hex_of(&share["value"]))].concat());
    let read = decode_shares(&frame, operator(0).share(), &terms(1)).map(|_| ());
    assert_eq!((id, read), (3, Err(FrostRejection::ShareOf(3))));
}

#[test]
fn a_cast_with_a_bad_point_or_number_is_refused() {
    let point = round(0).casts()[0].commitments.points()[0].to_bytes().to_vec();
    let infinity = [vec![0xc0], vec![0; 47]].concat();
    let entry = |wi: &[u8], points: &[Vec<u8>]| {
        let points = points.iter().flat_map(|point| field(4, point)).collect::<Vec<u8>>();
        field(1, &[key(0, 3, 0), field(2, wi), field(3, &[1; 32]), points].concat())
    };
    let off_the_curve = [vec![0x80], vec![0; 46], vec![1]].concat();
    for (name, entry, expected) in [
        (
            "a short number",
            entry(&[1; 31], std::slice::from_ref(&point)),
            FrostRejection::Length { found: 31, wanted: 32 },
        ),
        (
            "a number too large",
            entry(&[0xff; 32], std::slice::from_ref(&point)),
            FrostRejection::Scalar(InvalidScalar),
        ),
        ("no commitments", entry(&[1; 32], &[]), FrostRejection::NoCommitments),
        (
            "a short point",
            entry(&[1; 32], &[point[..47].to_vec()]),
            FrostRejection::Length { found: 47, wanted: 48 },
        ),
        (
            "a long point",
            entry(&[1; 32], &[[point.clone(), vec![0]].concat()]),
            FrostRejection::Length { found: 49, wanted: 48 },
        ),
        (
            "the identity",
            entry(&[1; 32], &[point.clone(), infinity]),
            FrostRejection::Point(InvalidPoint::Infinity),
        ),
        (
            "no point of the curve",
            entry(&[1; 32], &[off_the_curve]),
            FrostRejection::Point(InvalidPoint::NotOnCurve),
        ),
    ] {
        assert_eq!(decode_casts(&entry, operator(2).share(), &terms(1)), Err(expected), "{name}");
    }
}

#[test]
fn a_claim_with_the_identity_is_refused() {
    let mut bytes = encode_claims(&terms(2), &claims());
    let at = bytes.windows(48).position(|window| window == claims()[0].group.to_bytes()).unwrap();
    bytes[at..at + 48].copy_from_slice(&[vec![0xc0], vec![0; 47]].concat());
    let read = decode_claims(&bytes, operator(2).share(), &terms(1));
    assert_eq!(read, Err(FrostRejection::Point(InvalidPoint::Infinity)));
}

proptest! {
    #[test]
    fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn no_changed_byte_brings_a_reader_down(at in any::<prop::sample::Index>(), byte: u8) {
        for mut message in [
            encode_casts(&terms(2), round(2).casts()),
            encode_shares(&terms(2), operator(1).share(), round(2).shares_for(operator(1))).to_vec(),
            encode_claims(&terms(2), &claims()),
        ] {
            let place = at.index(message.len());
            message[place] = byte;
            read_as_everything(&message);
        }
    }
}

fn read_as_everything(bytes: &[u8]) {
    let from = operator(2).share();
    let _ = decode_casts(bytes, from, &terms(1));
    let _ = decode_shares(bytes, from, &terms(1));
    let _ = decode_claims(bytes, from, &terms(1));
}
