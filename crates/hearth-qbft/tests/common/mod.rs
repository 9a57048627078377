//! Votes and messages in a few words. Values are numbers, and nobody signs anything.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use hearth_qbft::{Config, Kind, Message, Round, Signed, Vote};
use hearth_types::OperatorIndex;

pub(crate) fn at(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

pub(crate) fn round(number: u64) -> Round {
    Round::new(number).unwrap()
}

/// Operator 0's view of a cluster in which the operator at position 2 leads round 1.
pub(crate) fn cluster_of(operators: u8) -> Config {
    Config { me: at(0), operators, first_leader: at(2) }
}

/// A vote about `value`, where 0 is the zero value.
pub(crate) fn vote(kind: Kind, from: u8, number: u64, value: u64) -> Vote<u64> {
    Vote {
        kind,
        from: at(from),
        round: round(number),
        value: (value != 0).then_some(value),
        prepared_round: None,
        prepared_value: None,
    }
}

/// A ROUND_CHANGE that claims `(round, value)` to be prepared, where 0 is none.
pub(crate) fn change(from: u8, number: u64, (prepared_round, prepared_value): (u64, u64)) -> Vote<u64> {
    Vote {
        prepared_round: Round::new(prepared_round),
        prepared_value: (prepared_value != 0).then_some(prepared_value),
        ..vote(Kind::RoundChange, from, number, 0)
    }
}

pub(crate) fn signed(vote: Vote<u64>) -> Signed<u64, ()> {
    Signed { vote, proof: () }
}

pub(crate) fn message(vote: Vote<u64>, because: &[Vote<u64>]) -> Message<u64, ()> {
    Message { signed: signed(vote), justification: because.iter().copied().map(signed).collect() }
}

/// The same vote of several authors.
pub(crate) fn each(kind: Kind, authors: &[u8], number: u64, value: u64) -> Vec<Vote<u64>> {
    authors.iter().map(|&from| vote(kind, from, number, value)).collect()
}
