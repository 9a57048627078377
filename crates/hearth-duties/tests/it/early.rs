//! Messages for a duty that has not begun here.

use hearth_duties::{Alarm, ConsensusMessage, Input, PartialSet, Value};
use hearth_qbft::{Kind, Message};
use hearth_types::{Duty, DutyKind};

use crate::support::{
    Operator, blamed, cluster, consensus, data, jobs, partial, partials, raw_value, requests, said, says, set,
    share, signed, slot, submissions, value, vote,
};

const SLOT: u64 = 9;

/// An operator that knows of the duty, at the start of its slot.
fn waiting(validators: usize) -> Operator {
    let mut operator = Operator::new(cluster(validators));
    operator.knows_duties(SLOT, validators);
    operator
}

#[test]
fn a_decision_that_was_made_before_we_began_is_ours_at_once() {
    let mut operator = waiting(1);
    assert!(operator.decide(SLOT, &value(SLOT, 1, 1)).is_empty());
    let outputs = operator.begin(SLOT);
    assert_eq!(requests(&outputs).len(), 1);
}

#[test]
fn an_early_proposal_is_prepared_when_the_duty_begins() {
    let mut operator = waiting(1);
    let _ = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 1)));
    assert_eq!(said(&operator.begin(SLOT)), [Kind::Prepare]);
}

#[test]
fn early_partials_are_combined_when_the_duty_begins_in_however_many_messages_they_came() {
    let mut operator = waiting(3);
    for from in 2..=4 {
        for position in 0..3 {
            // Twice, as networks do.
            let _ = operator.step(partials(from, &[position], data(SLOT, 1)));
            let _ = operator.step(partials(from, &[position], data(SLOT, 1)));
        }
    }
    let outputs = operator.begin(SLOT);
    assert!(blamed(&outputs).is_empty());
    assert!(!jobs(&outputs).is_empty());
    let outputs = operator.combine_all(outputs);
    assert_eq!(submissions(&outputs).len(), 3);
}

#[test]
fn an_early_partial_of_anothers_share_is_refused_when_the_duty_begins() {
    let mut operator = waiting(1);
    let _ = operator.step(set(2, SLOT, vec![partial(3, 0, data(SLOT, 1))]));
    assert_eq!(blamed(&operator.begin(SLOT)).len(), 1);
}

#[test]
fn messages_are_kept_from_two_slots_behind_the_clock_to_one_ahead() {
    for (name, clock, kept) in [
        ("two ahead", 7, false),
        ("one ahead", 8, true),
        ("now", 9, true),
        ("two behind", 11, true),
        ("three", 12, false),
    ] {
        let mut operator = Operator::new(cluster(1));
        operator.knows_duties(SLOT, 1);
        let _ = operator.start_slot(clock);
        let _ = operator.decide(SLOT, &value(SLOT, 1, 1));
        assert_eq!(!requests(&operator.begin(SLOT)).is_empty(), kept, "{name}");
    }
}

#[test]
fn what_waited_too_long_is_forgotten() {
    let mut operator = waiting(1);
    let _ = operator.decide(SLOT, &value(SLOT, 1, 1));
    let _ = operator.start_slot(SLOT + 3);
    let _ = operator.start_slot(SLOT);
    assert!(requests(&operator.begin(SLOT)).is_empty());
}

#[test]
fn duties_of_other_kinds_and_of_far_slots_are_not_kept_and_never_answered() {
    let agreed = value(SLOT, 1, 1);
    for kind in DutyKind::ALL {
        for number in [0, SLOT, SLOT + 10, u64::MAX] {
            let duty = Duty { slot: slot(number), kind };
            let mut operator = waiting(1);
            for from in 2..=4 {
                let message = Message {
                    signed: signed(vote(Kind::Commit, from, 1, Some(&agreed))),
                    justification: vec![],
                };
                let values = vec![agreed.clone()];
                assert!(operator.step(consensus(from, ConsensusMessage { duty, message, values })).is_empty());
                let set = PartialSet { duty, partials: vec![partial(from, 0, data(SLOT, 1))] };
                assert!(operator.step(Input::Partials { from: share(from).operator(), set }).is_empty());
            }
            let begun = operator.ring(Alarm::Due(duty));
            let expected = kind == DutyKind::Attester && number == SLOT;
            assert_eq!(!begun.is_empty(), expected, "{duty}");
        }
    }
}

#[test]
fn a_flood_of_one_peer_costs_the_others_nothing() {
    let mut flooded = waiting(1);
    for round in 2..500 {
        let _ = flooded.step(says(SLOT, Kind::Prepare, 4, round, &raw_value(&round.to_le_bytes())));
        let _ = flooded.step(set(4, SLOT, vec![partial(4, 0, data(SLOT, u8::try_from(round % 200).unwrap()))]));
    }
    let agreed = value(SLOT, 1, 1);
    for from in [2, 3] {
        let _ = flooded.step(says(SLOT, Kind::Commit, from, 1, &agreed));
        let _ = flooded.step(partials(from, &[0], data(SLOT, 1)));
    }
    let _ = flooded.begin(SLOT);
    // The third COMMIT is our own in life; here it is that of the flooder, who names nothing new.
    let outputs = flooded.step(says(SLOT, Kind::Commit, 4, 1, &agreed));
    assert_eq!(requests(&outputs).len(), 1);
}

#[test]
fn the_excess_of_one_peer_is_dropped() {
    let commits = |values: &[Value], repeated: usize| {
        let mut operator = waiting(1);
        for value in values {
            for _ in 0..repeated {
                let _ = operator.step(says(SLOT, Kind::Prepare, 2, 1, value));
            }
        }
        let agreed = value(SLOT, 1, 1);
        for from in 2..=4 {
            let _ = operator.step(says(SLOT, Kind::Commit, from, 1, &agreed));
        }
        !requests(&operator.begin(SLOT)).is_empty()
    };
    let junk: Vec<Value> = (0..9).map(|byte| raw_value(&[byte])).collect();
    for (name, values, repeated, heard) in [
        ("23 messages before", &junk[..1], 23, true),
        ("24 messages before", &junk[..1], 24, false),
        ("seven values before", &junk[..7], 1, true),
        // The value itself is new when this peer names it first.
        ("eight values before", &junk[..8], 1, false),
    ] {
        assert_eq!(commits(values, repeated), heard, "{name}");
    }
}
