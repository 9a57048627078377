//! The handshake and the steps.

use hearth_crypto::k1::NodeKey;
use hearth_obol::ceremony::sync::{
    Moment, Report, Steps, SyncRejection, decode_answer, encode_answer, has_definition, sign_definition,
    versions_agree,
};
use proptest::prelude::*;

use crate::{hex_of, node_key, sized, vector};

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u64).to_le_bytes(), message].concat()
}

#[test]
fn reports_of_the_specification_are_read_and_written_byte_for_byte() {
    let Some(file) = vector("wire-sync.json") else { return };
    let key = NodeKey::from_bytes(&sized(&file["signer"]["k1_secret"])).unwrap();
    let definition = sized(&file["definition_hash"]);
    let signature = sign_definition(&key, &definition);
    assert_eq!(signature, hex_of(&file["hash_signature_der"]));
    assert!(has_definition(&key.public(), &definition, &signature));
    let report = Report {
        sent_at: Moment { seconds: 1_767_225_600, nanos: 123_000_000 },
        hash_signature: signature,
        shutdown: false,
        version: "v1.11".into(),
        step: 1,
        nickname: "hearth-0".into(),
    };
    assert_eq!(report.encode(), hex_of(&file["MsgSync_step1"]));
    assert_eq!(framed(&report.encode()), hex_of(&file["MsgSync_step1_framed"]));
    assert_eq!(Report::decode(&report.encode()), Ok(report.clone()));
    let last = Report { shutdown: true, step: 8, ..report.clone() };
    assert_eq!(framed(&last.encode()), hex_of(&file["MsgSync_shutdown_step8_framed"]));
    assert_eq!(framed(&encode_answer(report.sent_at, None)), hex_of(&file["MsgSyncResponse_ok_framed"]));
}

#[test]
fn an_answer_is_never_empty_and_tells_its_error() {
    let never = Moment { seconds: 0, nanos: 0 };
    assert!(!encode_answer(never, None).is_empty());
    assert_eq!(decode_answer(&encode_answer(never, None)), Ok(None));
    let error = SyncRejection::Restarted { before: 3, now: 0 };
    let told = decode_answer(&encode_answer(never, Some(&error.to_string()))).unwrap();
    assert_eq!(told.as_deref(), Some("it was at step 3 and is at step 0: it was started again"));
    assert_eq!(decode_answer(&[0xff]), Err(SyncRejection::Undecodable));
    assert_eq!(decode_answer(&vec![0; 5_000]), Err(SyncRejection::Undecodable));
}

#[test]
fn a_report_without_its_moment_is_none() {
    assert_eq!(Report::decode(&[]), Err(SyncRejection::Undecodable));
    assert_eq!(Report::decode(&[0xff]), Err(SyncRejection::Undecodable));
}

#[test]
fn a_signature_over_another_definition_or_by_another_key_is_none() {
    let signature = sign_definition(&node_key(1), &[7; 32]);
    assert!(has_definition(&node_key(1).public(), &[7; 32], &signature));
    assert!(!has_definition(&node_key(1).public(), &[8; 32], &signature));
    assert!(!has_definition(&node_key(2).public(), &[7; 32], &signature));
    assert!(!has_definition(&node_key(1).public(), &[7; 32], &signature[1..]));
    assert!(!has_definition(&node_key(1).public(), &[7; 32], &[]));
}

#[test]
fn versions_agree_in_major_and_minor_and_in_the_patch_if_both_tell_it() {
    for (theirs, agree) in [
        ("v1.11", true),
        ("v1.11.0", true),
        ("v1.11.7-rc3", true),
        ("v1.11-dev", true),
        ("v1.10", false),
        ("v1.12", false),
        ("v2.11", false),
        ("1.11", false),
        ("v1", false),
        ("v1.11.x", false),
        ("v1.11.0.0", false),
        ("v1.11.", false),
        ("", false),
    ] {
        assert_eq!(versions_agree("v1.11", theirs), agree, "{theirs}");
    }
    assert!(!versions_agree("v1.11.1", "v1.11.2"));
    assert!(versions_agree("v1.11.1", "v1.11.1-rc1"));
}

#[test]
fn a_peer_goes_on_by_a_step_or_two_and_never_back() {
    let restarted = |before, now| Err(SyncRejection::Restarted { before, now });
    let skipped = |before, now| Err(SyncRejection::Skipped { before, now });
    for (name, steps, last) in [
        ("from the beginning", &[0, 0, 1, 2, 2, 3][..], Ok(())),
        ("begun at one", &[1, 3, 5], Ok(())),
        ("begun late", &[2], Err(SyncRejection::LateStart(2))),
        ("begun before the beginning", &[-1], Err(SyncRejection::LateStart(-1))),
        ("started again", &[0, 1, 0], restarted(1, 0)),
        ("a step skipped", &[0, 3], skipped(0, 3)),
        ("to the end of numbers", &[1, i64::MAX], skipped(1, i64::MAX)),
        ("to the other end", &[1, i64::MIN], restarted(1, i64::MIN)),
    ] {
        let mut peer = Steps::default();
        let (final_step, before) = steps.split_last().unwrap();
        before.iter().for_each(|step| peer.take(*step).unwrap());
        assert_eq!(peer.take(*final_step), last, "{name}");
    }
}

#[test]
fn at_a_barrier_one_waits_for_who_is_behind_and_is_not_left_behind() {
    let at = |step| {
        let mut peer = Steps::default();
        (0..=step).for_each(|step| peer.take(step).unwrap());
        peer
    };
    assert_eq!(Steps::default().has_reached(1), Ok(false));
    assert_eq!(at(1).has_reached(2), Ok(false));
    assert_eq!(at(2).has_reached(2), Ok(true));
    assert_eq!(at(3).has_reached(2), Ok(true));
    assert_eq!(at(4).has_reached(2), Err(SyncRejection::Skipped { before: 2, now: 4 }));
}

proptest! {
    #[test]
    fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..200), version: String) {
        let _ = Report::decode(&bytes);
        let _ = decode_answer(&bytes);
        let _ = versions_agree("v1.11", &version);
        let _ = has_definition(&node_key(1).public(), &[7; 32], &bytes);
    }
}
