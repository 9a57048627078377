//! What operators prefer, and what follows from that.

use hearth_crypto::k1::NodeKey;
use hearth_obol::wire::priority::{
    PRIORITY_FRAME_BYTES, Preferences, PriorityCodec, PriorityRejection, Topic, TopicResult, Unusable,
    calculate, decode_result, encode_result,
};
use hearth_types::{Duty, DutyKind, OperatorIndex, Slot, Threshold};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::{bytes, pb, vector_json};

const FILE: &str = "priority.json";

fn duty(slot: u64) -> Duty {
    Duty { slot: Slot::new(slot), kind: DutyKind::InfoSync }
}

fn topic(name: &str, priorities: &[&str]) -> Topic {
    Topic { name: name.into(), priorities: priorities.iter().map(|entry| (*entry).to_owned()).collect() }
}

fn preferences(peer_id: &str, topics: Vec<Topic>) -> Preferences {
    Preferences { duty: duty(31), peer_id: peer_id.into(), topics }
}

fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

fn key(seed: u8) -> NodeKey {
    NodeKey::from_bytes(&[seed; 32]).unwrap()
}

fn codec() -> PriorityCodec {
    PriorityCodec::new((1..=4).map(|seed| (key(seed).public(), format!("peer {seed}"))).collect())
}

fn topics_of(json: &Json, name: &str, entries: &str) -> Vec<Topic> {
    let topic = |topic: &Json| {
        let entries = topic[entries].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().to_owned());
        Topic { name: topic[name].as_str().unwrap().to_owned(), priorities: entries.collect() }
    };
    json.as_array().unwrap().iter().map(topic).collect()
}

#[test]
fn the_message_of_the_specification_is_written_and_read_byte_for_byte() {
    let Some(vector) = vector_json(FILE) else { return };
    let key = NodeKey::from_bytes(&bytes(&vector["signing_private_key_hex"]).try_into().unwrap()).unwrap();
    let id = vector["peer_id"].as_str().unwrap().to_owned();
    let codec = PriorityCodec::new(vec![(key.public(), id)]);
    let topics = topics_of(&vector["topics"], "topic", "priorities");
    let signed = codec.sign(operator(0), (duty(31), topics), &key);
    assert_eq!(hex::encode(&signed.bytes), hex::encode(bytes(&vector["signed_msg_hex"])));
    assert_eq!(codec.decode(operator(0), &signed.bytes), Ok(signed));
}

#[test]
fn results_are_those_of_the_specification() {
    let Some(vector) = vector_json(FILE) else { return };
    for case in vector["calculate_cases"].as_array().unwrap() {
        let all: Vec<Preferences> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                let topics = message["topics"].as_array().unwrap().iter().map(|topic| {
                    let entries = topic[1].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap());
                    topic_of(topic[0].as_str().unwrap(), entries)
                });
                preferences(message["peer_id"].as_str().unwrap(), topics.collect())
            })
            .collect();
        let expected: Vec<TopicResult> = case["result_topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|topic| TopicResult {
                name: topic["topic"].as_str().unwrap().to_owned(),
                priorities: topic["priorities"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| (one["priority"].as_str().unwrap().to_owned(), one["score"].as_i64().unwrap()))
                    .collect(),
            })
            .collect();
        let needed = u64::from(u8::try_from(case["min_required"].as_u64().unwrap()).unwrap());
        let needed = Threshold::new(needed, 4).unwrap();
        let all: Vec<&Preferences> = all.iter().collect();
        assert_eq!(calculate(&all, needed).unwrap(), expected, "{}", case["name"]);
    }
}

fn topic_of<'a>(name: &str, entries: impl Iterator<Item = &'a str>) -> Topic {
    Topic { name: name.to_owned(), priorities: entries.map(str::to_owned).collect() }
}

#[test]
fn a_peer_speaks_for_himself_alone() {
    let codec = codec();
    let theirs = codec.sign(operator(1), (duty(31), vec![topic("version", &["v1.11"])]), &key(2));
    assert_eq!(codec.decode(operator(1), &theirs.bytes), Ok(theirs.clone()));
    let later = [theirs.bytes.clone(), pb::number(99, 1)].concat();
    let forged = codec.sign(operator(1), (duty(31), Vec::new()), &key(3));
    let mut changed = theirs.bytes.clone();
    let place = changed.windows(5).position(|bytes| bytes == b"v1.11").unwrap();
    changed[place + 4] = b'2';
    let no_text = [pb::bytes(1, &pb::number(1, 31)), pb::bytes(2, &pb::bytes(1, &pb::bytes(1, b"x")))].concat();
    for (name, from, frame, refused) in [
        ("from another", 2, theirs.bytes.clone(), "preferences of peer 2, sent by peer 3"),
        ("by another key", 1, forged.bytes, "wrong signature"),
        ("changed", 1, changed, "wrong signature"),
        ("with something that was not signed", 1, later, "wrong signature"),
        ("nobody's", 9, theirs.bytes.clone(), "wrong signature"),
        ("cut off", 1, theirs.bytes[..theirs.bytes.len() - 1].to_vec(), "not a message"),
        ("nothing", 1, Vec::new(), "not a message"),
        ("no text", 1, no_text, "not a message"),
        ("far too long", 1, vec![0; PRIORITY_FRAME_BYTES + 1], "bytes of preferences"),
    ] {
        let error = codec.decode(operator(from), &frame).unwrap_err().to_string();
        assert!(error.contains(refused), "{name}: {error}");
    }
}

#[test]
fn fields_of_a_later_version_are_signed_with_the_rest() {
    use hearth_obol::wire::proto_hash;
    let codec = codec();
    let plain = codec.sign(operator(0), (duty(31), Vec::new()), &key(1)).bytes;
    let unsigned = [&plain[..plain.len() - 67], &pb::bytes(7, b"later")].concat();
    let signature = key(1).sign(&proto_hash(&unsigned));
    let whole = [unsigned, pb::bytes(4, &signature)].concat();
    assert!(codec.decode(operator(0), &whole).is_ok());
}

#[test]
fn from_lists_that_break_a_rule_nothing_follows() {
    let needed = Threshold::new(3, 4).unwrap();
    let entries: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let many = Topic { name: "version".into(), priorities: entries };
    let other = Preferences { duty: duty(63), ..preferences("b", Vec::new()) };
    for (all, expected) in [
        (vec![], Unusable::Nothing),
        (vec![preferences("a", vec![]), other], Unusable::Duties { one: duty(31), other: duty(63) }),
        (vec![preferences("a", vec![]), preferences("a", vec![])], Unusable::Peer("a".into())),
        (vec![preferences("a", vec![topic("t", &[]), topic("t", &[])])], Unusable::Topic("t".into())),
        (vec![preferences("a", vec![topic("t", &["x", "y", "x"])])], Unusable::Entry("x".into())),
        (vec![preferences("a", vec![many])], Unusable::TooMany(1_000)),
    ] {
        let all: Vec<&Preferences> = all.iter().collect();
        assert_eq!(calculate(&all, needed), Err(expected));
    }
}

#[test]
fn what_was_agreed_on_reads_as_it_was_written() {
    let codec = codec();
    let lists: Vec<_> = (0..4)
        .map(|at| {
            codec.sign(operator(at), (duty(31), vec![topic("version", &["v1.11", "v1.10"])]), &key(at + 1))
        })
        .collect();
    let all: Vec<&Preferences> = lists.iter().map(|list| &list.preferences).collect();
    let topics = calculate(&all, Threshold::new(3, 4).unwrap()).unwrap();
    assert_eq!(
        topics,
        [TopicResult {
            name: "version".into(),
            priorities: vec![("v1.11".into(), 4_000), ("v1.10".into(), 3_996)]
        }]
    );
    let value = encode_result(&lists.iter().collect::<Vec<_>>(), &topics);
    assert_eq!(decode_result(&value), Ok(topics));
    assert_eq!(decode_result(&[0xff]), Err(PriorityRejection::Undecodable));
}

proptest! {
    #[test]
    fn no_bytes_of_a_peer_do_harm(frame in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _refused = codec().decode(operator(0), &frame);
        let _read = decode_result(&frame);
    }

    /// Whoever is silent takes nothing away from what enough of the others have, and adds nothing.
    #[test]
    fn what_is_left_was_named_by_enough(lists in proptest::collection::vec(proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4), 1..=4)) {
        let all: Vec<Preferences> = (0..).zip(&lists).map(|(peer, entries)| preferences(&format!("{peer}"), vec![topic("t", entries)])).collect();
        let all: Vec<&Preferences> = all.iter().collect();
        let topics = calculate(&all, Threshold::new(3, 4).unwrap()).unwrap();
        let left: Vec<&str> = topics.iter().flat_map(|topic| &topic.priorities).map(|(entry, _)| entry.as_str()).collect();
        for entry in ["a", "b", "c", "d"] {
            let named = lists.iter().filter(|list| list.contains(&entry)).count();
            prop_assert_eq!(left.contains(&entry), named >= 3, "{}", entry);
        }
    }
}
