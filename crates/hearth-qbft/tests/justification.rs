//! Which messages count as justified: our own table, and the shared vectors where they are present.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::path::Path;

use common::{at, change, cluster_of, each, message, round, vote};
use hearth_qbft::{Config, Kind, Message, Qbft, Round, Signed, Vote, is_justified};
use hearth_types::OperatorIndex;
use serde_json::Value;

use Kind::{Commit, Decided, PrePrepare, Prepare, RoundChange};

const A: u64 = 0xa;
const B: u64 = 0xb;
const NONE: (u64, u64) = (0, 0);

/// Leaders of rounds 1 to 4 are the operators at 2, 3, 0 and 1. A quorum is 3.
#[test]
fn a_message_of_four_operators_is_justified_by_its_quorum_alone() {
    let prepares = |round, value, authors: &[u8]| each(Prepare, authors, round, value);
    let commits = |round, value, authors: &[u8]| each(Commit, authors, round, value);
    let changes = |authors: &[u8]| authors.iter().map(|&from| change(from, 2, NONE)).collect::<Vec<_>>();
    let one_prepared = [vec![change(0, 2, (1, A))], changes(&[1, 2])].concat();
    let proposal = |value| vote(PrePrepare, 3, 2, value);
    let prepared_change = change(1, 2, (1, A));
    let with = |parts: &[&[Vote<u64>]]| parts.concat();

    for (name, vote, because, justified) in [
        ("proposal of round 1 by its leader", vote(PrePrepare, 2, 1, A), vec![], true),
        ("proposal of round 1 by another", vote(PrePrepare, 3, 1, A), vec![], false),
        ("proposal of the zero value", vote(PrePrepare, 2, 1, 0), vec![], false),
        ("proposal of round 1 with anything", vote(PrePrepare, 2, 1, A), commits(7, B, &[0, 0]), true),
        ("later proposal without reason", proposal(A), vec![], false),
        ("later proposal, nothing prepared", proposal(B), changes(&[0, 1, 2]), true),
        ("later proposal by another", vote(PrePrepare, 0, 2, A), changes(&[0, 1, 2]), false),
        ("later proposal of the zero value", proposal(0), changes(&[0, 1, 2]), false),
        ("later proposal, two round changes", proposal(A), changes(&[0, 1]), false),
        ("later proposal, an author twice", proposal(A), changes(&[0, 1, 1]), false),
        (
            "later proposal, round changes of another round",
            vote(PrePrepare, 0, 3, A),
            changes(&[0, 1, 2]),
            false,
        ),
        ("prepared value", proposal(A), with(&[&one_prepared, &prepares(1, A, &[0, 1, 2])]), true),
        (
            "prepared value, all prepares",
            proposal(A),
            with(&[&one_prepared, &prepares(1, A, &[3, 2, 1, 0])]),
            true,
        ),
        (
            "other than the prepared value",
            proposal(B),
            with(&[&one_prepared, &prepares(1, A, &[0, 1, 2])]),
            false,
        ),
        ("prepared value, two prepares", proposal(A), with(&[&one_prepared, &prepares(1, A, &[0, 1])]), false),
        (
            "prepared value, a preparer twice",
            proposal(A),
            with(&[&one_prepared, &prepares(1, A, &[0, 1, 2, 2])]),
            false,
        ),
        (
            "prepared value, prepares of two values",
            proposal(A),
            with(&[&one_prepared, &prepares(1, A, &[0, 1, 2]), &prepares(1, B, &[3])]),
            false,
        ),
        (
            "prepared value, prepares of two rounds",
            vote(PrePrepare, 0, 3, A),
            with(&[
                &[change(0, 3, (1, A)), change(1, 3, NONE), change(2, 3, NONE)],
                &prepares(1, A, &[0, 1, 2]),
                &prepares(2, A, &[3]),
            ]),
            false,
        ),
        (
            "prepares that nobody claims",
            proposal(A),
            with(&[&changes(&[0, 1, 2]), &prepares(1, B, &[0])]),
            true,
        ),
        (
            "a prepared round change beside a quorum without",
            proposal(B),
            with(&[&changes(&[1, 2, 3]), &[change(0, 2, (1, A))]]),
            false,
        ),
        (
            "a claim later than the prepares",
            vote(PrePrepare, 0, 3, A),
            with(&[
                &[change(0, 3, (1, A)), change(1, 3, (2, B)), change(2, 3, NONE)],
                &prepares(1, A, &[0, 1, 2]),
            ]),
            false,
        ),
        (
            "only another claim of the prepared round",
            proposal(A),
            with(&[&[change(0, 2, (1, B))], &changes(&[1, 2]), &prepares(1, A, &[0, 1, 2])]),
            false,
        ),
        (
            "only the first round change of an author counts",
            proposal(B),
            with(&[&changes(&[0, 1, 2]), &[change(0, 2, (1, A))]]),
            true,
        ),
        (
            "an author's second round change is too late",
            proposal(A),
            with(&[&changes(&[0, 1, 2]), &[change(0, 2, (1, A))], &prepares(1, A, &[0, 1, 2])]),
            true,
        ),
        ("prepare", vote(Prepare, 1, 1, A), vec![], true),
        ("prepare of any round", vote(Prepare, 1, 1 << 63, A), vec![], true),
        ("commit of any round", vote(Commit, 1, 7, A), vec![], true),
        ("round change, nothing prepared", change(1, 2, NONE), vec![], true),
        ("round change, nothing prepared, with votes", change(1, 2, NONE), prepares(1, A, &[0, 1, 2]), false),
        ("round change, prepared", prepared_change, prepares(1, A, &[0, 1, 2]), true),
        ("round change, prepared by all", prepared_change, prepares(1, A, &[0, 1, 2, 3]), true),
        ("round change, prepared without proof", prepared_change, vec![], false),
        ("round change, prepared by two", prepared_change, prepares(1, A, &[0, 1]), false),
        ("round change, a preparer twice", prepared_change, prepares(1, A, &[0, 1, 2, 2]), false),
        (
            "round change, a commit among the prepares",
            prepared_change,
            with(&[&prepares(1, A, &[0, 1, 2]), &commits(1, A, &[3])]),
            false,
        ),
        ("round change, prepares of another round", change(1, 3, (2, A)), prepares(1, A, &[0, 1, 2]), false),
        ("round change, prepares of another value", prepared_change, prepares(1, B, &[0, 1, 2]), false),
        ("round change, prepared zero value", change(1, 2, (1, 0)), prepares(1, 0, &[0, 1, 2]), false),
        ("round change, prepared value of no round", change(1, 2, (0, A)), prepares(1, A, &[0, 1, 2]), false),
        ("decided", vote(Decided, 1, 1, A), commits(1, A, &[0, 1, 2]), true),
        (
            "decided, with unrelated votes",
            vote(Decided, 1, 1, A),
            with(&[&prepares(1, A, &[0]), &commits(1, A, &[0, 1, 2]), &commits(2, B, &[3])]),
            true,
        ),
        ("decided by two", vote(Decided, 1, 1, A), commits(1, A, &[0, 1]), false),
        ("decided, a committer twice", vote(Decided, 1, 1, A), commits(1, A, &[0, 1, 1]), false),
        ("decided, commits of another round", vote(Decided, 1, 2, A), commits(1, A, &[0, 1, 2]), false),
        ("decided, commits of another value", vote(Decided, 1, 1, B), commits(1, A, &[0, 1, 2]), false),
        ("decided, prepares for commits", vote(Decided, 1, 1, A), prepares(1, A, &[0, 1, 2]), false),
        ("decided zero value", vote(Decided, 1, 1, 0), commits(1, 0, &[0, 1, 2]), false),
    ] {
        assert_eq!(is_justified(&cluster_of(4), &message(vote, &because)), justified, "{name}");
    }
}

#[test]
fn every_shared_vector_is_classified_as_expected() {
    let Some(vectors) = vectors("qbft-justification.json") else { return };
    let operators = u8::try_from(vectors["nodes"].as_u64().unwrap()).unwrap();
    let leaders = vectors["leaders"].as_object().unwrap();
    let first_leader = at(u8::try_from(leaders["1"].as_u64().unwrap()).unwrap());
    let config = Config { me: at(0), operators, first_leader };
    for (number, leader) in leaders {
        let number: u64 = number.parse().unwrap();
        assert_eq!(
            Some(config.leader(round(number)).position() as u64),
            leader.as_u64(),
            "leader of round {number}"
        );
    }

    let cases = vectors["cases"].as_array().unwrap();
    let mut classified = 0;
    for case in cases {
        let justified = match case["expect"].as_str().unwrap() {
            "justified" => true,
            "unjustified" => false,
            _ => continue, // Dropped where messages are received from the wire.
        };
        let bytes = hex::decode(case["consensus_msg_hex"].as_str().unwrap()).unwrap();
        let message = consensus_message(&bytes);
        assert_eq!(
            Some(message.justification.len() as u64),
            case["justifications"].as_u64(),
            "{}",
            case["name"]
        );
        assert_eq!(Some(message.signed.vote.round.get()), case["round"].as_u64(), "{}", case["name"]);
        assert_eq!(is_justified(&config, &message), justified, "{}", case["name"]);
        classified += 1;
    }
    assert_eq!(classified, cases.iter().filter(|case| case["expect"] != "rejected").count());
    assert!(classified >= 29);
}

#[test]
fn leaders_are_those_of_the_shared_vectors() {
    let Some(vectors) = vectors("qbft-messages.json") else { return };
    let operators = u8::try_from(vectors["nodes"].as_u64().unwrap()).unwrap();
    let duty = &vectors["cases"][0]["duty"];
    // Slot, duty type and round, modulo the size: the shell's part of the rule of 5.4 is round 1.
    let position = (duty["slot"].as_u64().unwrap() + duty["type"].as_u64().unwrap() + 1) % u64::from(operators);
    let first_leader = at(u8::try_from(position).unwrap());
    let instance: Qbft<u64, ()> = Qbft::new(Config { me: at(0), operators, first_leader });
    for (number, key) in [(1, "leader_index_round_1"), (2, "leader_index_round_2")] {
        assert_eq!(Some(instance.leader(round(number)).position() as u64), vectors[key].as_u64(), "{key}");
    }
}

fn vectors(file: &str) -> Option<Value> {
    let folder = std::env::var("HEARTH_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into());
    let path = Path::new(&folder).join("obol-duties").join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: {} not found", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

type Hash = [u8; 32];

fn consensus_message(bytes: &[u8]) -> Message<Hash, ()> {
    let votes = |number| fields(bytes).into_iter().filter(move |(field, ..)| *field == number);
    let signed = |(_, _, bytes): (u64, u64, &[u8])| Signed { vote: wire_vote(bytes), proof: () };
    Message { signed: votes(1).map(signed).next().unwrap(), justification: votes(2).map(signed).collect() }
}

fn wire_vote(bytes: &[u8]) -> Vote<Hash> {
    let number = |field| fields(bytes).iter().find(|found| found.0 == field).map_or(0, |found| found.1);
    let hash = |field| {
        let found: Option<Hash> = fields(bytes).iter().find(|found| found.0 == field)?.2.try_into().ok();
        found.filter(|hash| *hash != [0; 32])
    };
    Vote {
        kind: [PrePrepare, Prepare, Commit, RoundChange, Decided][number(1) as usize - 1],
        from: OperatorIndex::new(u8::try_from(number(3)).unwrap()).unwrap(),
        round: round(number(4)),
        value: hash(11),
        prepared_round: Round::new(number(6)),
        prepared_value: hash(12),
    }
}

/// The fields of a protobuf message: number, varint, bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (key, after_key) = varint(bytes);
        let (number, rest) = varint(after_key);
        match key & 7 {
            0 => {
                found.push((key >> 3, number, &[][..]));
                bytes = rest;
            }
            2 => {
                let (content, rest) = rest.split_at(usize::try_from(number).unwrap());
                found.push((key >> 3, 0, content));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let (varint, rest) = bytes.split_at(length);
    (varint.iter().rev().fold(0, |value, byte| (value << 7) | u64::from(byte & 0x7f)), rest)
}
