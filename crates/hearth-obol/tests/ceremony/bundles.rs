//! The messages of Pedersen's protocol.

use hearth_crypto::{PublicKey, SecretKey};
use hearth_dkg::pedersen::{Bundle, Session};
use hearth_obol::ceremony::pedersen::{
    DEALS_PROTOCOL, JUSTIFICATIONS_PROTOCOL, PedersenRejection, RESPONSES_PROTOCOL, decode_bundle,
    decode_node_key, decode_public_share, encode_deals, encode_justification, encode_node_key,
    encode_public_share, encode_responses, longest,
};
use hearth_types::Root;
use proptest::prelude::*;
use serde_json::Value;

use crate::{hex_of, operator, vector};

fn root(value: &Value) -> Root {
    Root::new(hex_of(value).try_into().unwrap())
}

fn key(value: &Value) -> PublicKey {
    PublicKey::from_bytes(&hex_of(value).try_into().unwrap()).unwrap()
}

#[test]
fn the_messages_of_a_fresh_run_are_read_and_written_byte_for_byte_and_signed_by_their_authors() {
    let Some(file) = vector("pedersen-2-of-3-fresh.json") else { return };
    let keys: Vec<_> =
        file["nodes"].as_array().unwrap().iter().map(|node| key(&node["longterm_public"])).collect();
    let session = Session::of(&keys, 0);
    for (number, told) in (0..).zip(file["dealers"].as_array().unwrap()) {
        let bytes = hex_of(&told["PedersenDealBundle"]);
        let read = decode_bundle(DEALS_PROTOCOL, &bytes, operator(number), longest(3)).unwrap();
        let Bundle::Deals(bundle) = read else { panic!("deals were sent") };
        assert_eq!((encode_deals(&bundle), bundle.session), (bytes.clone(), session));
        assert_eq!(bundle.hash().to_vec(), hex_of(&told["bundle_hash"]));
        assert!(bundle.signature.verify_message(&keys[usize::from(number)], &bundle.hash()));
        let wrong = decode_bundle(DEALS_PROTOCOL, &bytes, operator(number + 1), longest(3)).map(drop);
        assert_eq!(wrong, Err(PedersenRejection::Author(number.into())));
    }
    for (number, told) in (0..).zip(file["responses_all_success"].as_array().unwrap()) {
        let bytes = hex_of(&told["PedersenResponseBundle"]);
        let read = decode_bundle(RESPONSES_PROTOCOL, &bytes, operator(number), longest(3)).unwrap();
        let Bundle::Responses(bundle) = read else { panic!("responses were sent") };
        assert_eq!((encode_responses(&bundle), bundle.session), (bytes, session));
        assert_eq!(bundle.hash().to_vec(), hex_of(&told["bundle_hash"]));
        assert!(bundle.signature.verify_message(&keys[usize::from(number)], &bundle.hash()));
    }
    let ceremony = root(&file["message_session_id"]);
    let bytes = hex_of(&file["NodePubKeyMessage_node0"]);
    assert_eq!(decode_node_key(&bytes, &ceremony, longest(3)), Ok(keys[0]));
    assert_eq!(encode_node_key(&ceremony, &keys[0]), bytes);
    let other = Root::new([1; 32]);
    assert_eq!(decode_node_key(&bytes, &other, longest(3)), Err(PedersenRejection::Ceremony));
    let bytes = hex_of(&file["ValidatorPubKeyShareMessage_node0"]);
    let share = decode_public_share(&bytes, &ceremony, longest(3)).unwrap();
    assert_eq!(share, key(&file["final"]["public_shares"]["0"]));
    assert_eq!(encode_public_share(&ceremony, &share), bytes);
    assert_eq!(decode_public_share(&bytes, &other, longest(3)), Err(PedersenRejection::Ceremony));
}

#[test]
fn the_messages_of_a_reshare_have_the_same_form() {
    let Some(file) = vector("pedersen-reshare-remove-one.json") else { return };
    for (number, told) in (0..).zip(file["dealers"].as_array().unwrap()) {
        let bytes = hex_of(&told["PedersenDealBundle"]);
        let read = decode_bundle(DEALS_PROTOCOL, &bytes, operator(number), longest(4)).unwrap();
        let Bundle::Deals(bundle) = read else { panic!("deals were sent") };
        assert_eq!(encode_deals(&bundle), bytes);
        assert_eq!(bundle.hash().to_vec(), hex_of(&told["bundle_hash"]));
        let author = key(&file["old_nodes"][usize::from(number)]["longterm_public"]);
        assert!(bundle.signature.verify_message(&author, &bundle.hash()));
    }
}

#[test]
fn a_message_that_is_none_is_refused_with_the_rule_it_breaks() {
    let justification = |share: [u8; 32], twice: bool| {
        let entry = [&[0x12, 0x24, 0x08, 0x01, 0x12, 0x20][..], &share].concat();
        let author = SecretKey::from_bytes(&[1; 32]).unwrap();
        let signature = author.sign_message(&[0; 32]).to_bytes();
        let (tail, signature) = ([0x1a, 0x20], [&[0x22, 0x60][..], signature.as_bytes()].concat());
        let entries = if twice { [&entry[..], &entry].concat() } else { entry };
        [&entries[..], &tail, &[0; 32], &signature].concat()
    };
    let read = |bytes: &[u8]| decode_bundle(JUSTIFICATIONS_PROTOCOL, bytes, operator(0), longest(4)).map(drop);
    let bytes = justification([3; 32], false);
    assert_eq!(read(&bytes), Ok(()));
    let Ok(Bundle::Justification(bundle)) =
        decode_bundle(JUSTIFICATIONS_PROTOCOL, &bytes, operator(0), longest(4))
    else {
        panic!("it was read a line above")
    };
    assert_eq!(encode_justification(&bundle), bytes);
    assert_eq!(read(&justification([3; 32], true)), Err(PedersenRejection::Repeated));
    assert!(matches!(read(&justification([0; 32], false)), Err(PedersenRejection::Share(_))));
    assert!(matches!(read(&justification([0xff; 32], false)), Err(PedersenRejection::Share(_))));
    assert_eq!(read(&[0xff; 9]), Err(PedersenRejection::Undecodable));
    assert_eq!(read(&[]), Err(PedersenRejection::Length { found: 0, wanted: 32 }));
    let long = vec![0; longest(4) + 1];
    assert_eq!(read(&long), Err(PedersenRejection::TooLong { bytes: long.len(), most: longest(4) }));
    let strange = decode_bundle("/charon/dkg/pedersen/9", &bytes, operator(0), longest(4)).map(drop);
    assert_eq!(strange, Err(PedersenRejection::Undecodable));
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..1_000), kind in 0_usize..3) {
        let protocol = [DEALS_PROTOCOL, RESPONSES_PROTOCOL, JUSTIFICATIONS_PROTOCOL][kind];
        let _read = decode_bundle(protocol, &bytes, operator(0), longest(16));
        let _key = decode_node_key(&bytes, &Root::new([0; 32]), longest(16));
    }
}
