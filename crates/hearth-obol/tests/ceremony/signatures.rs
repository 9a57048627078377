//! What the shares and the operators sign of the files.

use std::collections::BTreeMap;

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{SecretKey, Signature};
use hearth_obol::ceremony::signatures::{
    Purpose, SignatureRejection, check_node_signature, decode_node_signature, decode_partials,
    encode_node_signature, encode_partials,
};
use hearth_types::{LockHash, SigningRoot, ValidatorPubkey};
use proptest::prelude::*;

use crate::{hex_of, node_key, operator, sized, vector};

fn validators() -> Vec<ValidatorPubkey> {
    [1, 2].map(|number| ValidatorPubkey::new([number; 48])).to_vec()
}

fn signature(number: u8) -> Signature {
    SecretKey::from_bytes(&[number; 32]).unwrap().sign(&SigningRoot::new([7; 32]))
}

fn partials() -> BTreeMap<ValidatorPubkey, Signature> {
    validators().into_iter().zip([signature(3), signature(4)]).collect()
}

#[test]
fn partial_signatures_of_the_specification_are_read_and_written_byte_for_byte() {
    let Some(file) = vector("wire-parsigex.json") else { return };
    let validator: ValidatorPubkey = file["pubkey_key"].as_str().unwrap().parse().unwrap();
    let bytes = hex_of(&file["ParSigExMsg"]);
    let (purpose, read) = decode_partials(&bytes, operator(0).share(), 0, &[validator]).unwrap();
    assert_eq!(purpose, Purpose::Lock);
    assert_eq!(read[&validator].to_bytes().as_bytes().to_vec(), hex_of(&file["partial_signature"]));
    assert_eq!(encode_partials(purpose, operator(0).share(), &read), bytes);
}

#[test]
fn node_signatures_of_the_specification_are_read_and_written_byte_for_byte() {
    let Some(file) = vector("wire-bcast-frost-nodesig.json") else { return };
    let told = &file["node_sig"];
    let key = NodeKey::from_bytes(&sized(&file["peers"][0]["k1_secret"])).unwrap();
    let lock = LockHash::new(sized(&told["lock_hash"]));
    let made = key.sign(lock.as_bytes());
    assert_eq!(made.to_vec(), hex_of(&told["k1_signature_rsv"]));
    let bytes = hex_of(&told["any_value"]);
    assert_eq!(encode_node_signature(operator(0), &made), bytes);
    assert_eq!(decode_node_signature(&bytes, operator(0)), Ok(made));
    assert_eq!(check_node_signature(&made, &lock, &key.public()), Ok(()));
}

#[test]
fn each_purpose_comes_back_and_deposits_of_amounts_that_there_are_not_do_not() {
    for purpose in [Purpose::Lock, Purpose::Registration, Purpose::Deposit(0), Purpose::Deposit(1)] {
        let bytes = encode_partials(purpose, operator(1).share(), &partials());
        let read = decode_partials(&bytes, operator(1).share(), 2, &validators());
        assert_eq!(read, Ok((purpose, partials())));
    }
    let bytes = encode_partials(Purpose::Deposit(2), operator(1).share(), &partials());
    let refused = Err(SignatureRejection::Purpose { slot: 202, kind: 3 });
    assert_eq!(decode_partials(&bytes, operator(1).share(), 2, &validators()), refused);
}

#[test]
fn partial_signatures_that_are_not_the_senders_or_not_of_this_ceremony_are_refused() {
    let me = operator(1).share();
    let read = |bytes: &[u8], from, validators: &[ValidatorPubkey]| {
        decode_partials(bytes, from, 2, validators).map(|_| ())
    };
    let good = encode_partials(Purpose::Lock, me, &partials());
    let mut few = partials();
    few.pop_last();
    let few = encode_partials(Purpose::Lock, me, &few);
    let one = &validators()[..1];
    let spoiled = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let raw = signature(3).to_bytes();
    let another = signature(5).to_bytes();
    for (name, outcome, expected) in [
        ("of another share", read(&good, operator(2).share(), &validators()), SignatureRejection::ShareOf(2)),
        ("of another cluster", read(&good, me, one), SignatureRejection::ForeignValidator),
        ("too few", read(&few, me, &validators()), SignatureRejection::Incomplete { found: 1, wanted: 2 }),
        ("nothing", read(&[], me, &validators()), SignatureRejection::Undecodable),
        (
            "the two forms differ",
            read(&spoiled(raw.as_bytes(), another.as_bytes()), me, &validators()),
            SignatureRejection::Malformed,
        ),
        ("no JSON", read(&spoiled(b"\"", b"'"), me, &validators()), SignatureRejection::Malformed),
        (
            "far too long",
            read(&vec![0; 3_000], me, &validators()),
            SignatureRejection::TooLong { bytes: 3_000, most: 2_112 },
        ),
    ] {
        assert_eq!(outcome, Err(expected), "{name}");
    }
}

#[test]
fn a_node_signature_is_its_senders_and_over_our_lock() {
    let lock = LockHash::new([5; 32]);
    let made = node_key(2).sign(lock.as_bytes());
    let bytes = encode_node_signature(operator(1), &made);
    assert_eq!(decode_node_signature(&bytes, operator(1)), Ok(made));
    assert_eq!(decode_node_signature(&bytes, operator(2)), Err(SignatureRejection::Position(1)));
    assert_eq!(check_node_signature(&made, &lock, &node_key(2).public()), Ok(()));
    for (name, lock, key) in [("another lock", LockHash::new([6; 32]), 2), ("another operator", lock, 3)] {
        let refused = check_node_signature(&made, &lock, &node_key(key).public());
        assert_eq!(refused, Err(SignatureRejection::NotOurLock), "{name}");
    }
    let none = [0x0a, 4, 0xde, 0xad, 0xbe, 0xef, 0x10, 1];
    assert_eq!(decode_node_signature(&none, operator(1)), Err(SignatureRejection::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), byte: u8) {
        let mut message = encode_partials(Purpose::Lock, operator(1).share(), &partials());
        let place = at.index(message.len());
        message[place] = byte;
        for frame in [&bytes, &message] {
            let _ = decode_partials(frame, operator(1).share(), 2, &validators());
            let _ = decode_node_signature(frame, operator(1));
        }
    }
}
