//! Consensus messages.

use std::collections::BTreeMap;

use hearth_crypto::Verified;
use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_duties::{
    AgreedAttestation, AgreedValue, ConsensusDraft, ConsensusMessage, Dialect as _, Digest, Proof, Round,
    Speech, Value, Voice,
};
use hearth_obol::wire::{
    ConsensusCodec, ConsensusRejection, DraftRejection, Gate, ObolDialect, Untimely, VoteRejection, proto_hash,
};
use hearth_qbft::{Draft, Kind, Signed, Vote};
use hearth_types::{Duty, DutyKind, OperatorIndex, Slot, UnixMillis};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::support::{at, attestation_data, attester_duty, pubkey, spec};
use crate::{bytes, pb, vector_json};

const DUTY: Duty = Duty::attester(Slot::new(123));

mod vectors {
    use super::*;

    #[test]
    fn messages_of_the_specification_are_read_as_described_and_signed_to_the_same_bytes() {
        let Some(json) = vector_json("qbft-messages.json") else { return };
        let author = NodeKey::from_hex(json["signing_private_key_hex"].as_str().unwrap()).unwrap();
        let mut operators: Vec<NodePublicKey> = (1..=4).map(|seed| key(seed).public()).collect();
        operators[2] = author.public();
        let codec = ConsensusCodec::new(operators);
        for (case, kind) in
            cases(&json).iter().zip([Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::RoundChange])
        {
            let name = &case["name"];
            let frame = bytes(&case["consensus_msg_hex"]);
            let ConsensusMessage { duty, message, values } = decode(&codec, &frame).unwrap().into_inner();
            assert_eq!(duty, DUTY, "{name}");
            let number = |field: &str| case[field].as_u64().unwrap();
            let expected = Vote {
                kind,
                from: operator(2),
                round: Round::new(number("round")).unwrap(),
                value: digest(&case["value_hash_hex"]),
                prepared_round: Round::new(number("prepared_round")),
                prepared_value: digest(&case["prepared_value_hash_hex"]),
            };
            assert_eq!(message.signed.vote, expected, "{name}");
            assert_eq!(message.signed.proof.0[..], bytes(&case["signed_msg_hex"]), "{name}");
            for value in &values {
                assert_eq!(value.bytes[..], bytes(&json["unsigned_data_set_hex"]), "{name}");
                assert_eq!(Some(value.digest), digest(&json["value_hash_hex"]), "{name}");
            }
            assert_eq!(
                hex::encode(proto_hash(&bytes(&case["unsigned_msg_hex"]))),
                case["digest_hex"],
                "{name}"
            );
            assert_eq!(
                hex::encode(author.sign(&bytes(&case["digest_hex"]).try_into().unwrap())),
                case["signature_hex"]
            );
            let framed = [pb::varint(frame.len() as u64), frame.clone()].concat();
            assert_eq!(framed, bytes(&case["framed_hex"]), "{name}");

            let draft = Draft { vote: message.signed.vote, justification: message.justification };
            let (written, back) = codec.encode(&said(ConsensusDraft { duty, draft, values }), &author).unwrap();
            assert_eq!(written, frame, "{name}");
            assert_eq!(back.message.signed, message.signed, "{name}");
        }
    }

    #[test]
    fn of_the_justification_cases_exactly_those_marked_rejected_are_refused_on_receipt() {
        let Some(json) = vector_json("qbft-justification.json") else { return };
        let keys: Vec<NodeKey> = json["private_keys_hex"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| NodeKey::from_hex(key.as_str().unwrap()).unwrap())
            .collect();
        let codec = ConsensusCodec::new(keys.iter().map(NodeKey::public).collect());
        for case in cases(&json) {
            let (name, frame) = (&case["name"], bytes(&case["consensus_msg_hex"]));
            let read = decode(&codec, &frame);
            assert_eq!(read.is_err(), case["expect"] == "rejected", "{name}: {read:?}");
            let Ok(read) = read.map(Verified::into_inner) else { continue };
            assert_eq!(
                read.message.justification.len() as u64,
                case["justifications"].as_u64().unwrap(),
                "{name}"
            );
            let author = &keys[read.message.signed.vote.from.position()];
            let draft = Draft { vote: read.message.signed.vote, justification: read.message.justification };
            let draft = ConsensusDraft { duty: read.duty, draft, values: read.values };
            let (written, _) = codec.encode(&said(draft), author).unwrap();
            assert_eq!(parts(&written), parts(&frame), "{name}");
        }
    }

    #[test]
    fn a_node_key_signs_as_the_reference_does() {
        let Some(json) = vector_json("p2p-identity.json") else { return };
        let key = NodeKey::from_hex(json["private_key_hex"].as_str().unwrap()).unwrap();
        let case = &json["ecdsa_recoverable_sign"];
        let digest = bytes(&case["digest_hex"]).try_into().unwrap();
        assert_eq!(hex::encode(key.sign(&digest)), case["signature_r_s_v_hex"]);
    }

    fn cases(json: &Json) -> &[Json] {
        json["cases"].as_array().unwrap()
    }

    fn digest(field: &Json) -> Option<Digest> {
        Some(Digest(bytes(field).try_into().unwrap())).filter(|digest| digest.0 != [0; 32])
    }

    /// Fields in an order of their own: values may come in any order.
    fn parts(frame: &[u8]) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut rest = frame;
        while let Some((tag, after)) = rest.split_first() {
            let (mut length, mut shift, mut after) = (0_usize, 0, after);
            loop {
                let byte = after[0];
                length |= usize::from(byte & 0x7f) << shift;
                (shift, after) = (shift + 7, &after[1..]);
                if byte < 0x80 {
                    break;
                }
            }
            parts.push([&[*tag], &after[..length]].concat());
            rest = &after[length..];
        }
        parts.sort();
        parts
    }
}

mod our_own {
    use super::*;

    #[test]
    fn a_message_of_ours_keeps_its_bytes() {
        let expected = include_str!("../vectors/wire-round-change.hex").trim();
        let (frame, _) = codec().encode(&said(prepared_round_change()), &key(4)).unwrap();
        assert_eq!(hex::encode(&frame), expected);
        assert!(decode(&codec(), &frame).is_ok());
    }

    #[test]
    fn what_we_send_comes_back_to_us_as_the_others_read_it() {
        let draft = prepared_round_change();
        let (frame, ours) = codec().encode(&said(draft.clone()), &key(4)).unwrap();
        let (ours, theirs) = (ours.into_inner(), decode(&codec(), &frame).unwrap().into_inner());
        assert_eq!((ours.duty, &ours.message, &ours.values), (theirs.duty, &theirs.message, &theirs.values));
        assert_eq!(ours.message.signed.vote, draft.draft.vote);
        assert_eq!(ours.message.justification, draft.draft.justification);
    }

    #[test]
    fn a_draft_that_peers_would_drop_is_not_sent() {
        let good = prepared_round_change();
        let with = |change: fn(&mut ConsensusDraft)| {
            let mut draft = good.clone();
            change(&mut draft);
            codec().encode(&said(draft.clone()), &key(4)).err()
        };
        assert_eq!(with(|_| {}), None);
        let too_much = |what, count, most| Some(DraftRejection::TooMuch { what, count, most });
        let nine = |draft: &mut ConsensusDraft| {
            draft.draft.justification = vec![draft.draft.justification[0].clone(); 9];
        };
        assert_eq!(with(nine), too_much("justifications", 9, 8));
        let values = |draft: &mut ConsensusDraft| draft.values = vec![draft.values[0].clone(); 9];
        assert_eq!(with(values), too_much("values", 9, 8));
        let huge = |draft: &mut ConsensusDraft| draft.values[0].bytes = vec![0; 32 << 20].into();
        assert!(matches!(with(huge), Some(DraftRejection::TooMuch { what: "bytes", .. })));
        let late = |draft: &mut ConsensusDraft| draft.draft.vote.round = Round::new(u64::MAX).unwrap();
        assert_eq!(with(late), Some(DraftRejection::Round(Round::new(u64::MAX).unwrap())));
        let stranger = |draft: &mut ConsensusDraft| draft.draft.vote.from = operator(9);
        assert_eq!(with(stranger), Some(DraftRejection::Vote(VoteRejection::Author(9))));
        let another = |draft: &mut ConsensusDraft| draft.draft.vote.from = operator(1);
        let foreign = VoteRejection::ForeignSignature { author: operator(1) };
        assert_eq!(with(another), Some(DraftRejection::Vote(foreign)));
    }

    proptest! {
        #[test]
        fn every_message_reads_as_it_was_written(
            kind in prop::sample::select(vec![
                Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::RoundChange, Kind::Decided,
            ]),
            author in 0_u8..4,
            round in 1..=i64::MAX as u64,
            prepared_round in 0..=i64::MAX as u64,
            value in prop::option::of(0_u8..3),
            prepared in prop::option::of(0_u8..3),
            justifying in proptest::collection::vec((0_u8..4, prop::option::of(0_u8..3)), 0..=8),
        ) {
            let mut values = BTreeMap::new();
            let mut named = |number: Option<u8>| number.map(|number| {
                let value = value_of(&[number]);
                values.insert(value.digest, value.clone());
                value.digest
            });
            let justification = justifying
                .into_iter()
                .map(|(author, value)| signed(&Vote { value: named(value), ..vote(Kind::Prepare, author) }, author))
                .collect();
            let vote = Vote {
                kind,
                from: operator(author),
                round: Round::new(round).unwrap(),
                value: named(value),
                prepared_round: Round::new(prepared_round),
                prepared_value: named(prepared),
            };
            let draft = Draft { vote, justification };
            let values: Vec<Value> = values.into_values().collect();
            let draft = ConsensusDraft { duty: DUTY, draft, values: values.clone() };
            let (frame, ours) = codec().encode(&said(draft.clone()), &key(author + 1)).unwrap();
            let read = decode(&codec(), &frame).unwrap().into_inner();
            prop_assert_eq!(read.duty, DUTY);
            prop_assert_eq!(read.message.signed.vote, vote);
            prop_assert_eq!(read.message, ours.into_inner().message);
            prop_assert_eq!(read.values, values);
        }
    }
}

mod received {
    use super::*;

    #[test]
    fn each_rule_of_a_vote_is_enforced_on_the_message_and_on_its_justifications() {
        let commit = RawVote { value: None, ..RawVote::of(2, 3) };
        let huge = u64::MAX; // Minus one, as a signed number.
        let foreign_key = NodeKey::from_bytes(&[9; 32]).unwrap();
        let author = operator(2);
        let table: Vec<(&str, Vec<u8>, VoteRejection)> = vec![
            ("type 0", RawVote { kind: 0, ..commit }.signed(&key(3)), VoteRejection::Kind(0)),
            ("type 6", RawVote { kind: 6, ..commit }.signed(&key(3)), VoteRejection::Kind(6)),
            ("negative type", RawVote { kind: huge, ..commit }.signed(&key(3)), VoteRejection::Kind(-1)),
            ("no duty", RawVote { duty: None, ..commit }.signed(&key(3)), VoteRejection::NoDuty),
            ("duty 0", RawVote { duty: Some((123, 0)), ..commit }.signed(&key(3)), VoteRejection::DutyKind(0)),
            ("duty 5", RawVote { duty: Some((123, 5)), ..commit }.signed(&key(3)), VoteRejection::DutyKind(5)),
            (
                "duty 14",
                RawVote { duty: Some((123, 14)), ..commit }.signed(&key(3)),
                VoteRejection::DutyKind(14),
            ),
            (
                "duty -1",
                RawVote { duty: Some((123, huge)), ..commit }.signed(&key(3)),
                VoteRejection::DutyKind(-1),
            ),
            ("round 0", RawVote { round: 0, ..commit }.signed(&key(3)), VoteRejection::Round(0)),
            ("round -1", RawVote { round: huge, ..commit }.signed(&key(3)), VoteRejection::Round(-1)),
            (
                "prepared round -1",
                RawVote { prepared_round: huge, ..commit }.signed(&key(3)),
                VoteRejection::PreparedRound(-1),
            ),
            ("position 4", RawVote { author: 4, ..commit }.signed(&key(3)), VoteRejection::Author(4)),
            ("position -1", RawVote { author: huge, ..commit }.signed(&key(3)), VoteRejection::Author(-1)),
            ("position 256", RawVote { author: 256, ..commit }.signed(&key(3)), VoteRejection::Author(256)),
            (
                "another operator's signature",
                commit.signed(&key(1)),
                VoteRejection::ForeignSignature { author },
            ),
            ("a stranger's signature", commit.signed(&foreign_key), VoteRejection::ForeignSignature { author }),
            (
                "a signature over something else",
                commit.with_signature(&key(3).sign(&[7; 32])),
                VoteRejection::ForeignSignature { author },
            ),
            ("no signature", commit.with_signature(&[]), invalid(author, 0)),
            ("64 bytes of signature", commit.with_signature(&commit.sign(&key(3))[..64]), invalid(author, 64)),
            ("66 bytes of signature", commit.with_signature(&[0; 66]), invalid(author, 66)),
            ("two duties", [commit.signed(&key(3)), pb::bytes(2, &[])].concat(), VoteRejection::Undecodable),
            (
                "a number for the duty",
                [commit.signed(&key(3)), pb::number(2, 1)].concat(),
                VoteRejection::Undecodable,
            ),
            ("bytes for the type", pb::bytes(1, b"1"), VoteRejection::Undecodable),
            ("a broken duty", pb::bytes(2, &[0x08]), VoteRejection::Undecodable),
            (
                "a broken duty behind an unknown field",
                pb::bytes(2, &[0x18, 1, 0x0c]),
                VoteRejection::Undecodable,
            ),
            ("an unfinished field", vec![0x08], VoteRejection::Undecodable),
            ("nothing", vec![], VoteRejection::NoDuty),
            ("too long", [commit.signed(&key(3)), pb::bytes(99, &[0; 1_024])].concat(), VoteRejection::TooLong),
        ];
        for (name, bad, reason) in table {
            let read = decode(&codec(), &pb::bytes(1, &bad));
            assert_eq!(read.err(), Some(ConsensusRejection::Message(reason.clone())), "{name}");
            let good = pb::bytes(2, &commit.signed(&key(3)));
            let read =
                decode(&codec(), &[pb::bytes(1, &commit.signed(&key(3))), good, pb::bytes(2, &bad)].concat());
            assert_eq!(read.err(), Some(ConsensusRejection::Justification { position: 1, reason }), "{name}");
        }
        assert!(decode(&codec(), &pb::bytes(1, &commit.signed(&key(3)))).is_ok());
    }

    #[test]
    fn a_frame_without_a_message_or_without_sense_is_refused() {
        let vote = pb::bytes(1, &RawVote { value: None, ..RawVote::of(2, 3) }.signed(&key(3)));
        for (name, frame, expected) in [
            ("nothing", vec![], ConsensusRejection::Missing),
            ("only a later field", pb::number(9, 1), ConsensusRejection::Missing),
            ("two messages", [vote.clone(), vote.clone()].concat(), ConsensusRejection::Undecodable),
            ("a number for the message", pb::number(1, 1), ConsensusRejection::Undecodable),
            (
                "a number for a justification",
                [vote.clone(), pb::number(2, 1)].concat(),
                ConsensusRejection::Undecodable,
            ),
            ("a number for a value", [vote, pb::number(3, 1)].concat(), ConsensusRejection::Undecodable),
            ("noise", vec![0xff; 40], ConsensusRejection::Undecodable),
            ("too long", vec![0; (32 << 20) + 1], ConsensusRejection::TooLong { bytes: (32 << 20) + 1 }),
        ] {
            assert_eq!(decode(&codec(), &frame).err(), Some(expected), "{name}");
        }
    }

    #[test]
    fn justifications_and_values_are_counted_before_they_are_read() {
        let vote = pb::bytes(1, &RawVote { value: None, ..RawVote::of(2, 3) }.signed(&key(3)));
        let justification = pb::bytes(2, &RawVote { value: None, ..RawVote::of(2, 2) }.signed(&key(2)));
        let value = wrapped(&value_of(&[1]).bytes);
        let frame = |justifications: usize, values: usize| {
            [vote.clone(), value.repeat(values), justification.repeat(justifications)].concat()
        };
        let too_many_values = |most| Some(ConsensusRejection::TooManyValues { most });
        for (justifications, values, expected) in [
            (8, 18, None),
            (9, 1, Some(ConsensusRejection::TooManyJustifications { most: 8 })),
            (8, 19, too_many_values(18)),
            (0, 2, None),
            (0, 3, too_many_values(2)),
            (3, 8, None),
            (3, 9, too_many_values(8)),
        ] {
            let read = decode(&codec(), &frame(justifications, values)).err();
            assert_eq!(read, expected, "{justifications} justifications, {values} values");
        }
        let flood = [vote, pb::bytes(2, &[]).repeat(1 << 20)].concat();
        assert_eq!(decode(&codec(), &flood).err(), Some(ConsensusRejection::TooManyJustifications { most: 8 }));
    }

    #[test]
    fn a_justification_about_another_duty_is_refused() {
        let vote = RawVote { value: None, ..RawVote::of(4, 3) };
        for (slot, kind) in [(124, 2), (123, 1)] {
            let foreign = RawVote { duty: Some((slot, kind)), ..vote };
            let frame = [pb::bytes(1, &vote.signed(&key(3))), pb::bytes(2, &foreign.signed(&key(3)))].concat();
            let duty = Duty { slot: Slot::new(slot), kind: DutyKind::from_number(kind as i64).unwrap() };
            let expected = ConsensusRejection::ForeignJustification { position: 0, duty };
            assert_eq!(decode(&codec(), &frame).err(), Some(expected));
        }
    }

    #[test]
    fn duties_that_are_not_due_or_not_performed_are_refused_before_any_signature_is_checked() {
        let unsigned = |slot, kind| {
            let vote = RawVote { duty: Some((slot, kind)), value: None, ..RawVote::of(2, 3) };
            pb::bytes(1, &vote.with_signature(&[0; 65]))
        };
        let duty = |slot, kind| Duty { slot: Slot::new(slot), kind };
        let now = at(123 * 12_000);
        let epoch = spec().epoch_of(DUTY.slot);
        let too_far = Untimely::TooFarAhead { duty: duty(192, DutyKind::Attester), now: epoch };
        let expired =
            Untimely::Expired { duty: duty(90, DutyKind::Attester), deadline: at(90 * 12_000 + 385_000) };
        let no_consensus = Untimely::NoConsensus { duty: duty(123, DutyKind::Exit) };
        for (name, frame, expected) in [
            ("two epochs ahead", unsigned(191, 2), ConsensusRejection::Message(bad_signature())),
            ("three epochs ahead", unsigned(192, 2), too_far.into()),
            ("just not expired", unsigned(91, 2), ConsensusRejection::Message(bad_signature())),
            ("expired", unsigned(90, 2), expired.into()),
            ("exit", unsigned(123, 4), no_consensus.into()),
            ("proposer", unsigned(123, 1), ConsensusRejection::NotPerformed(duty(123, DutyKind::Proposer))),
            ("info sync", unsigned(123, 13), ConsensusRejection::Message(bad_signature())),
        ] {
            assert_eq!(decode_at(&codec(), &frame, now).err(), Some(expected), "{name}");
        }
    }

    #[test]
    fn every_named_value_must_come_along_and_others_are_left_behind() {
        let (one, two) = (value_of(&[1]), value_of(&[2]));
        let vote = RawVote { value: Some(one.digest), ..RawVote::of(2, 3) }.signed(&key(3));
        let other = RawVote { value: Some(two.digest), ..RawVote::of(2, 2) }.signed(&key(2));
        let prepared = RawVote { value: None, prepared: Some(two.digest), ..RawVote::of(4, 3) }.signed(&key(3));
        let frame = |votes: &[&[u8]], values: &[&Value]| {
            let votes = votes.iter().enumerate().flat_map(|(i, vote)| pb::bytes(1 + i.min(1) as u64, vote));
            votes.chain(values.iter().flat_map(|value| wrapped(&value.bytes))).collect::<Vec<u8>>()
        };
        let missing = |value: &Value| Err(ConsensusRejection::ValueMissing(value.digest));
        for (name, frame, expected) in [
            ("all there", frame(&[&vote], &[&one]), Ok(vec![one.clone()])),
            ("one too many", frame(&[&vote], &[&two, &one]), Ok(vec![one.clone()])),
            ("twice", frame(&[&vote], &[&one, &one]), Ok(vec![one.clone()])),
            ("none", frame(&[&vote], &[]), missing(&one)),
            ("another", frame(&[&vote], &[&two]), missing(&one)),
            ("a justification's missing", frame(&[&vote, &other], &[&one]), missing(&two)),
            ("a prepared one missing", frame(&[&prepared], &[&one]), missing(&two)),
        ] {
            let read = decode(&codec(), &frame).map(|message| message.into_inner().values);
            assert_eq!(read, expected, "{name}");
        }
    }

    #[test]
    fn values_of_unknown_type_or_form_are_refused() {
        let vote = pb::bytes(1, &RawVote { value: None, ..RawVote::of(2, 3) }.signed(&key(3)));
        let typed = |url: &str, value: &[u8]| {
            pb::bytes(3, &[pb::bytes(1, url.as_bytes()), pb::bytes(2, value)].concat())
        };
        let known = "type.googleapis.com/core.corepb.v1.UnsignedDataSet";
        for (name, value, fine) in [
            ("known", typed(known, &value_of(&[1]).bytes), true),
            ("known under another host", typed("example.org/core.corepb.v1.UnsignedDataSet", &[]), true),
            ("another type", typed("type.googleapis.com/google.protobuf.Value", &[]), false),
            ("no type", pb::bytes(3, &pb::bytes(2, &value_of(&[1]).bytes)), false),
            ("no Any", pb::bytes(3, &[0xff]), false),
            ("a type that is no text", pb::bytes(3, &pb::bytes(1, &[0xff])), false),
            ("no set", typed(known, &[0xff]), false),
            ("an entry that is a number", typed(known, &pb::number(1, 1)), false),
            ("an entry that is noise", typed(known, &pb::bytes(1, &[0xff])), false),
        ] {
            assert_eq!(decode(&codec(), &[vote.clone(), value].concat()).is_ok(), fine, "{name}");
        }
        let flood: Vec<u8> =
            (0..=65_536_u32).flat_map(|i| pb::bytes(1, &pb::bytes(1, i.to_string().as_bytes()))).collect();
        assert!(decode(&codec(), &[vote, typed(known, &flood)].concat()).is_err());
    }

    #[test]
    fn a_value_is_named_by_its_entries_whatever_their_order_on_the_wire() {
        let value = value_of(&[1, 2]);
        let entry = |number: u8| {
            let whole = value_of(&[number]).bytes.to_vec();
            assert!(value.bytes.windows(whole.len()).any(|window| window == whole));
            whole
        };
        let vote = |digest| RawVote { value: Some(digest), ..RawVote::of(2, 3) }.signed(&key(3));
        for (name, set, digest) in [
            ("in order", [entry(1), entry(2)].concat(), value.digest),
            ("out of order", [entry(2), entry(1)].concat(), value.digest),
            ("one twice", [entry(2), entry(1), entry(2)].concat(), value.digest),
        ] {
            let read = decode(&codec(), &[pb::bytes(1, &vote(digest)), wrapped(&set)].concat());
            assert_eq!(read.map(|message| message.into_inner().values), Ok(vec![value.clone()]), "{name}");
        }
        // An entry of the same key: the last one counts. A field of a later version: kept, behind the entries.
        let key = pubkey(1).to_string();
        let empty = pb::bytes(1, &[pb::bytes(1, key.as_bytes()), pb::bytes(2, &[])].concat());
        for (name, set, expected) in [
            ("replaced", [entry(1), empty.clone()].concat(), empty),
            ("later field", [pb::number(7, 9), entry(1)].concat(), [entry(1), pb::number(7, 9)].concat()),
        ] {
            let frame = [pb::bytes(1, &vote(Digest(proto_hash(&expected)))), wrapped(&set)].concat();
            let values = decode(&codec(), &frame).map(|message| message.into_inner().values).unwrap();
            assert_eq!(values[0].bytes[..], expected, "{name}");
        }
    }

    #[test]
    fn a_signature_covers_fields_of_later_versions_and_they_are_passed_on() {
        let plain = RawVote { value: None, ..RawVote::of(4, 3) };
        let later = pb::bytes(20, b"from the future");
        let signature = key(3).sign(&proto_hash(&[plain.content(), later.clone()].concat()));
        let vote = [plain.with_signature(&signature), later.clone()].concat();
        let read = decode(&codec(), &pb::bytes(1, &vote)).unwrap().into_inner();
        assert_eq!(read.message.signed.proof.0[..], vote);

        let draft = Draft { vote: self::vote(Kind::PrePrepare, 1), justification: vec![read.message.signed] };
        let (frame, _) =
            codec().encode(&said(ConsensusDraft { duty: DUTY, draft, values: vec![] }), &key(2)).unwrap();
        assert!(decode(&codec(), &frame).is_ok(), "the vote still verifies as a justification");

        let stripped = plain.with_signature(&signature);
        let foreign = VoteRejection::ForeignSignature { author: operator(2) };
        assert_eq!(
            decode(&codec(), &pb::bytes(1, &stripped)).err(),
            Some(ConsensusRejection::Message(foreign))
        );
    }

    #[test]
    fn a_vote_in_unusual_form_is_verified_and_passed_on_in_the_usual_one() {
        let plain = RawVote { value: None, ..RawVote::of(4, 3) };
        let signature = plain.sign(&key(3));
        let usual = plain.with_signature(&signature);
        let (kind, peer, round) = (pb::number(1, 4), pb::number(3, 2), pb::number(4, 1));
        let (duty, zeros) = ([pb::number(2, 2), pb::number(1, 123)].concat(), [0; 32]);
        let backwards = [
            pb::bytes(12, &zeros),
            pb::bytes(11, &zeros),
            pb::bytes(8, &signature),
            pb::number(6, 0),
            round,
            peer,
            pb::bytes(2, &duty),
            pb::number(1, 3),
            kind,
        ];
        let read = decode(&codec(), &pb::bytes(1, &backwards.concat())).unwrap().into_inner();
        assert_eq!(read.message.signed.proof.0[..], usual);
        let later = [usual.clone(), pb::bytes(2, &[])].concat();
        assert!(decode(&codec(), &pb::bytes(1, &later)).is_err());
    }

    #[test]
    fn fields_of_later_versions_inside_the_duty_are_covered_too() {
        let duty = [pb::number(1, 123), pb::number(2, 2), pb::number(9, 1)].concat();
        let vote = |signature: &[u8]| {
            let signature = if signature.is_empty() { vec![] } else { pb::bytes(8, signature) };
            [pb::number(1, 4), pb::bytes(2, &duty), pb::number(3, 2), pb::number(4, 1), signature].concat()
        };
        let signed = vote(&key(3).sign(&proto_hash(&vote(&[]))));
        assert!(decode(&codec(), &pb::bytes(1, &signed)).is_ok());
    }

    #[test]
    fn hashes_of_any_other_length_than_32_mean_no_value() {
        for length in [0, 1, 31, 33, 64] {
            let content = |signature: &[u8]| {
                let duty = pb::bytes(2, &[pb::number(1, 123), pb::number(2, 2)].concat());
                let hash = if length == 0 { vec![] } else { pb::bytes(11, &vec![7; length]) };
                let signature = if signature.is_empty() { vec![] } else { pb::bytes(8, signature) };
                [pb::number(1, 2), duty, pb::number(3, 2), pb::number(4, 1), signature, hash].concat()
            };
            let frame = pb::bytes(1, &content(&key(3).sign(&proto_hash(&content(&[])))));
            let read = decode(&codec(), &frame).unwrap();
            assert_eq!(read.message.signed.vote.value, None, "{length} bytes");
        }
    }

    #[test]
    fn the_recovery_byte_may_be_counted_from_27() {
        let vote = RawVote { value: None, ..RawVote::of(2, 3) };
        let mut signature = vote.sign(&key(3));
        signature[64] += 27;
        assert!(decode(&codec(), &pb::bytes(1, &vote.with_signature(&signature))).is_ok());
        signature[64] = 2;
        assert!(decode(&codec(), &pb::bytes(1, &vote.with_signature(&signature))).is_err());
    }

    #[test]
    fn a_message_cut_anywhere_is_refused() {
        let (frame, _) = codec().encode(&said(prepared_round_change()), &key(4)).unwrap();
        for length in 0..frame.len() {
            assert!(decode(&codec(), &frame[..length]).is_err(), "cut to {length} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&codec(), &bytes);
            let _ = decode(&codec(), &pb::bytes(1, &bytes));
            let _ = decode(&codec(), &[pb::bytes(1, &RawVote::of(2, 3).signed(&key(3))), wrapped(&bytes)].concat());
        }

        #[test]
        fn a_changed_byte_never_panics_and_never_changes_what_was_signed(position: prop::sample::Index, by in 1_u8..) {
            let (mut frame, ours) = codec().encode(&said(prepared_round_change()), &key(4)).unwrap();
            let position = position.index(frame.len());
            frame[position] ^= by;
            if let Ok(read) = decode(&codec(), &frame) {
                let votes = |message: &ConsensusMessage| {
                    let message = &message.message;
                    let signed = std::iter::once(&message.signed).chain(&message.justification);
                    signed.map(|signed| signed.vote).collect::<Vec<_>>()
                };
                let (read, ours) = (votes(&read), votes(&ours));
                prop_assert!(read.iter().all(|vote| ours.contains(vote)));
            }
        }
    }
}

/// A vote written by hand.
#[derive(Clone, Copy)]
struct RawVote {
    kind: u64,
    duty: Option<(u64, u64)>,
    author: u64,
    round: u64,
    prepared_round: u64,
    value: Option<Digest>,
    prepared: Option<Digest>,
}

impl RawVote {
    /// Of this type, by the operator with this share, on the first value.
    fn of(kind: u64, share: u64) -> Self {
        let value = Some(value_of(&[1]).digest);
        Self {
            kind,
            duty: Some((123, 2)),
            author: share - 1,
            round: 1,
            prepared_round: 0,
            value,
            prepared: None,
        }
    }

    fn content(&self) -> Vec<u8> {
        self.write(None)
    }

    fn sign(&self, key: &NodeKey) -> [u8; 65] {
        key.sign(&proto_hash(&self.content()))
    }

    fn signed(&self, key: &NodeKey) -> Vec<u8> {
        self.with_signature(&self.sign(key))
    }

    fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        self.write(Some(signature))
    }

    fn write(&self, signature: Option<&[u8]>) -> Vec<u8> {
        let nonzero = |field, value| if value == 0 { vec![] } else { pb::number(field, value) };
        let hash = |field, digest: Option<Digest>| pb::bytes(field, &digest.map_or([0; 32], |digest| digest.0));
        let duty = |(slot, kind)| pb::bytes(2, &[nonzero(1, slot), nonzero(2, kind)].concat());
        [
            nonzero(1, self.kind),
            self.duty.map(duty).unwrap_or_default(),
            nonzero(3, self.author),
            nonzero(4, self.round),
            nonzero(6, self.prepared_round),
            signature.map(|signature| pb::bytes(8, signature)).unwrap_or_default(),
            hash(11, self.value),
            hash(12, self.prepared),
        ]
        .concat()
    }
}

/// Operator 4 gave up round 1, in which it saw operators 1 to 3 prepare a value.
/// A draft that may be said.
fn said(draft: ConsensusDraft) -> Speech {
    let mut voice = Voice::default();
    voice.has_recorded(draft.duty.slot);
    voice.speak(draft).unwrap()
}

fn prepared_round_change() -> ConsensusDraft {
    let value = value_of(&[1, 2]);
    let prepare = |author| Vote { value: Some(value.digest), ..vote(Kind::Prepare, author) };
    let vote = Vote {
        round: Round::new(2).unwrap(),
        prepared_round: Some(Round::FIRST),
        prepared_value: Some(value.digest),
        ..vote(Kind::RoundChange, 3)
    };
    let justification = (0..3).map(|author| signed(&prepare(author), author)).collect();
    ConsensusDraft { duty: DUTY, draft: Draft { vote, justification }, values: vec![value] }
}

fn vote(kind: Kind, author: u8) -> Vote<Digest> {
    let (from, round) = (operator(author), Round::FIRST);
    Vote { kind, from, round, value: None, prepared_round: None, prepared_value: None }
}

/// A vote as its author signs it.
fn signed(vote: &Vote<Digest>, author: u8) -> Signed<Digest, Proof> {
    let raw =
        RawVote { kind: vote.kind as u64 + 1, value: vote.value, ..RawVote::of(2, u64::from(author) + 1) };
    Signed { vote: *vote, proof: Proof(raw.signed(&key(author + 1)).into()) }
}

fn value_of(validators: &[u8]) -> Value {
    let entry =
        |v: &u8| (pubkey(*v), AgreedAttestation { data: attestation_data(123), duty: attester_duty(*v, 123) });
    ObolDialect.encode_value(&AgreedValue::Attestations(validators.iter().map(entry).collect()))
}

fn wrapped(set: &[u8]) -> Vec<u8> {
    let url = pb::bytes(1, b"type.googleapis.com/core.corepb.v1.UnsignedDataSet");
    pb::bytes(3, &[url, pb::bytes(2, set)].concat())
}

fn invalid(author: OperatorIndex, length: usize) -> VoteRejection {
    VoteRejection::Signature { author, reason: hearth_crypto::k1::InvalidNodeSignature::Length(length) }
}

fn bad_signature() -> VoteRejection {
    VoteRejection::Signature { author: operator(2), reason: hearth_crypto::k1::InvalidNodeSignature::NoKey }
}

fn decode(codec: &ConsensusCodec, frame: &[u8]) -> Result<Verified<ConsensusMessage>, ConsensusRejection> {
    decode_at(codec, frame, at(123 * 12_000 + 4_000))
}

fn decode_at(
    codec: &ConsensusCodec,
    frame: &[u8],
    now: UnixMillis,
) -> Result<Verified<ConsensusMessage>, ConsensusRejection> {
    codec.decode(frame, &Gate::new(&spec(), now))
}

fn codec() -> ConsensusCodec {
    ConsensusCodec::new((1..=4).map(|share| key(share).public()).collect())
}

/// The node key of the operator with this share.
fn key(share: u8) -> NodeKey {
    NodeKey::from_bytes(&[share; 32]).unwrap()
}

fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}
