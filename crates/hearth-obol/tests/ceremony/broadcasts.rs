//! The reliable broadcast.

use hearth_crypto::k1::NodePublicKey;
use hearth_obol::ceremony::Release;
use hearth_obol::ceremony::broadcast::{
    BroadcastRejection, Content, Notary, Session, Topic, decode_message, decode_request, decode_response,
    encode_message, encode_request, encode_response,
};
use proptest::prelude::*;

use crate::{hex_of, node_key, operator, peers, sized, vector};

const MOST: usize = 4_096;
const SESSION: Session = Session { release: Release::V1_11, definition: [9; 32] };

fn keys() -> Vec<NodePublicKey> {
    [1, 2, 3].map(|seed| node_key(seed).public()).to_vec()
}

fn signed(digest: &[u8; 32]) -> Vec<[u8; 65]> {
    [1, 2, 3].map(|seed| node_key(seed).sign(digest)).to_vec()
}

#[test]
fn broadcasts_of_the_specification_are_read_and_written_byte_for_byte() {
    let Some(file) = vector("wire-bcast-frost-nodesig.json") else { return };
    let operators = peers(&file);
    for (name, topic) in
        [("round1_cast", Topic::RoundOne), ("round2_cast", Topic::RoundTwo), ("node_sig", Topic::NodeSignature)]
    {
        let told = &file[name];
        assert_eq!(topic.id(), told["message_id"].as_str().unwrap());
        let content = Content::new(topic, hex_of(&told["any_value"]));
        let request = hex_of(&told["BCastSigRequest"]);
        assert_eq!(encode_request(&content), request, "{name}");
        assert_eq!(decode_request(&request, MOST), Ok(content.clone()), "{name}");

        let definition = sized(&told["session_hash"]);
        let session = |release| Session { release, definition };
        let digest = session(Release::V1_11).digest(&content);
        assert_eq!(digest.to_vec(), hex_of(&told["hash_v2"]), "{name}");
        assert_eq!(session(Release::V1_10).digest(&content).to_vec(), hex_of(&told["hash_v1"]), "{name}");

        let signatures: Vec<[u8; 65]> =
            told["signatures_v2_in_peer_order"].as_array().unwrap().iter().map(sized).collect();
        let response = hex_of(&told["BCastSigResponse_from_peer_1_v2"]);
        assert_eq!(encode_response(topic, &signatures[1]), response, "{name}");
        let by = (operator(1), &operators[1]);
        assert_eq!(decode_response(&response, topic, &digest, by), Ok(signatures[1]), "{name}");

        let message = hex_of(&told["BCastMessage_v2"]);
        assert_eq!(encode_message(&content, &signatures), message, "{name}");
        let read = decode_message(&message, MOST, &session(Release::V1_11), &operators);
        assert_eq!(read, Ok(content), "{name}");
    }
}

#[test]
fn a_broadcast_that_not_all_have_signed_is_refused_and_whose_signature_lacks_is_named() {
    let content = Content::new(Topic::RoundOne, vec![1, 2, 3]);
    let digest = SESSION.digest(&content);
    let good = signed(&digest);
    let read = |signatures: &[[u8; 65]], session: &Session| {
        decode_message(&encode_message(&content, signatures), MOST, session, &keys())
    };
    assert_eq!(read(&good, &SESSION), Ok(content.clone()));
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    let mut twice = good.clone();
    twice[2] = good[0];
    let elsewhere = Session { definition: [8; 32], ..SESSION };
    for (name, signatures, session, expected) in [
        ("one less", good[..2].to_vec(), SESSION, BroadcastRejection::Signatures { found: 2, wanted: 3 }),
        (
            "one more",
            [good.clone(), vec![good[0]]].concat(),
            SESSION,
            BroadcastRejection::Signatures { found: 4, wanted: 3 },
        ),
        ("in another order", swapped, SESSION, BroadcastRejection::NotSigned(operator(1))),
        ("one signed twice", twice, SESSION, BroadcastRejection::NotSigned(operator(2))),
        ("of another ceremony", good.clone(), elsewhere, BroadcastRejection::NotSigned(operator(0))),
        (
            "of another release",
            good,
            Session { release: Release::V1_10, ..SESSION },
            BroadcastRejection::NotSigned(operator(0)),
        ),
    ] {
        assert_eq!(read(&signatures, &session), Err(expected), "{name}");
    }
}

#[test]
fn a_request_about_something_else_is_refused() {
    let good = Content::new(Topic::RoundTwo, vec![1]);
    let request = encode_request(&good);
    let of_type = |from: &str, to: &str| {
        let text = String::from_utf8(request.clone()).unwrap();
        assert_eq!(from.len(), to.len());
        text.replace(from, to).into_bytes()
    };
    for (name, frame, most, expected) in [
        ("another type", of_type("FrostRound2Casts", "FrostRound1Casts"), MOST, BroadcastRejection::WrongType),
        ("another topic", of_type("round2/cast", "round3/cast"), MOST, BroadcastRejection::UnknownTopic),
        ("nothing", vec![], MOST, BroadcastRejection::UnknownTopic),
        ("garbage", vec![0xff; 3], MOST, BroadcastRejection::Undecodable),
        ("too much", request.clone(), 10, BroadcastRejection::TooLong { bytes: request.len(), most: 10 }),
    ] {
        assert_eq!(decode_request(&frame, most), Err(expected), "{name}");
    }
    // What stands before the last slash says nothing.
    let elsewhere = of_type("type.googleapis.com/", "type.elsewhere.test/");
    let read = decode_request(&elsewhere, MOST).unwrap();
    assert_ne!(read, good);
    assert_ne!(SESSION.digest(&read), SESSION.digest(&good), "the hash is of the bytes as they came");
}

#[test]
fn an_answer_counts_for_what_was_asked_and_for_whom_alone() {
    let digest = SESSION.digest(&Content::new(Topic::RoundOne, vec![1]));
    let answer = encode_response(Topic::RoundOne, &node_key(2).sign(&digest));
    let keys = keys();
    let read =
        |topic, digest, at: u8| decode_response(&answer, topic, digest, (operator(at), &keys[usize::from(at)]));
    assert!(read(Topic::RoundOne, &digest, 1).is_ok());
    assert_eq!(read(Topic::RoundTwo, &digest, 1), Err(BroadcastRejection::OtherTopic));
    assert_eq!(read(Topic::RoundOne, &[1; 32], 1), Err(BroadcastRejection::NotSigned(operator(1))));
    assert_eq!(read(Topic::RoundOne, &digest, 2), Err(BroadcastRejection::NotSigned(operator(2))));
}

#[test]
fn one_thing_is_signed_for_each_operator_and_topic_and_only_that_is_taken_from_it() {
    let mut notary = Notary::default();
    let (first, other) = ([1; 32], [2; 32]);
    assert_eq!(notary.admit(operator(0), Topic::RoundOne, first), Ok(()));
    assert_eq!(notary.admit(operator(0), Topic::RoundOne, first), Ok(()), "asked again");
    assert_eq!(notary.admit(operator(0), Topic::RoundOne, other), Err(BroadcastRejection::Equivocation));
    assert_eq!(notary.admit(operator(0), Topic::RoundTwo, other), Ok(()), "about something else");
    assert_eq!(notary.admit(operator(1), Topic::RoundOne, other), Ok(()), "another operator");

    assert_eq!(notary.confirm(operator(0), Topic::RoundOne, &first), Ok(()));
    for (name, from, topic, digest) in [
        ("what was refused", operator(0), Topic::RoundOne, other),
        ("what was signed for another", operator(1), Topic::RoundOne, first),
        ("what nobody asked for", operator(2), Topic::RoundOne, first),
    ] {
        let refused = Err(BroadcastRejection::NotWhatWasSigned);
        assert_eq!(notary.confirm(from, topic, &digest), refused, "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), byte: u8) {
        let content = Content::new(Topic::RoundOne, vec![1, 2, 3]);
        let mut message = encode_message(&content, &signed(&[1; 32]));
        let place = at.index(message.len());
        message[place] = byte;
        for frame in [&bytes, &message] {
            let _ = decode_request(frame, MOST);
            let _ = decode_response(frame, Topic::RoundOne, &[1; 32], (operator(0), &keys()[0]));
            let _ = decode_message(frame, MOST, &SESSION, &keys());
        }
    }
}

#[test]
fn the_two_releases_speak_different_protocols() {
    assert_eq!(Release::V1_10.signature_protocol(), "/charon/dkg/bcast/1.0.0/sig");
    assert_eq!(Release::V1_11.message_protocol(), "/charon/dkg/bcast/2.0.0/msg");
    assert_eq!(Release::default().version(), "v1.11");
}
