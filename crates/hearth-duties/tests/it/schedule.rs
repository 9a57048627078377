//! When the chain is asked, and which of its answers count.

use hearth_duties::{Alarm, ChainFailure, ChainQuery, ChainReply, Output, Report, ValidatorRecord};
use hearth_types::{AttesterDuty, Epoch, UnixMillis, ValidatorIndex, ValidatorPubkey};

use crate::support::{
    Operator, SLOT_MS, SLOTS_PER_EPOCH, alarms, attester, cluster, duty, index, queries, record, slot, spec,
    validator,
};

fn validators_asked(of: usize) -> ChainQuery {
    ChainQuery::Validators { pubkeys: (0..of).map(validator).collect() }
}

fn duties_asked(epoch: u64, of: usize) -> ChainQuery {
    ChainQuery::AttesterDuties { epoch: Epoch::new(epoch), validators: (0..of).map(index).collect() }
}

fn duties(epoch: u64, duties: Vec<AttesterDuty>) -> ChainReply {
    ChainReply::AttesterDuties { epoch: Epoch::new(epoch), duties: Ok(duties) }
}

fn no_answer() -> ChainFailure {
    ChainFailure::Unreachable("connection refused".into())
}

fn begins(operator: &mut Operator, number: u64) -> bool {
    let started = operator.begin(number);
    queries(&started).contains(&ChainQuery::AttestationData { slot: slot(number) })
}

#[test]
fn the_first_thing_is_to_wait_for_the_slot_under_way_or_for_genesis() {
    let genesis = spec().genesis_time.get();
    for (name, now, expected) in [
        ("before genesis", genesis - 5_000, 0),
        ("at genesis", genesis, 0),
        ("within slot 7", genesis + 7 * SLOT_MS + 6_000, 7),
    ] {
        let mut operator = Operator::new(cluster(1));
        let outputs = operator.workflow.start(UnixMillis::new(now));
        let expected = (Alarm::SlotStart(slot(expected)), spec().slot_start(slot(expected)));
        assert_eq!(alarms(&outputs).into_iter().collect::<Vec<_>>(), [expected], "{name}");
    }
}

#[test]
fn validators_and_duties_are_asked_for_once_an_epoch_and_the_next_epochs_duties_at_its_last_slot() {
    let mut operator = Operator::new(cluster(2));
    assert_eq!(queries(&operator.start_slot(8)), [validators_asked(2)]);
    let known = operator.hear(ChainReply::Validators(Ok(vec![record(0), record(1)])));
    assert_eq!(queries(&known), [duties_asked(2, 2)]);
    assert_eq!(queries(&operator.hear(duties(2, vec![attester(0, 9)]))), []);
    assert_eq!(queries(&operator.start_slot(9)), []);
    assert_eq!(queries(&operator.start_slot(10)), []);
    assert_eq!(queries(&operator.start_slot(11)), [duties_asked(3, 2)]);
    let _ = operator.hear(duties(3, vec![attester(0, 12)]));
    assert_eq!(queries(&operator.start_slot(12)), [validators_asked(2)], "the duties are known already");
    assert_eq!(queries(&operator.hear(ChainReply::Validators(Ok(vec![record(0), record(1)])))), []);
}

#[test]
fn what_failed_is_asked_again_at_the_next_slot_and_the_owner_hears_of_it() {
    let mut operator = Operator::new(cluster(1));
    let _ = operator.start_slot(8);
    let trouble = operator.hear(ChainReply::Validators(Err(no_answer())));
    assert!(matches!(&trouble[..], [Output::Report(Report::ChainTrouble { about: "validators", .. })]));
    assert_eq!(queries(&operator.start_slot(9)), [validators_asked(1)]);
    let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0)])));
    let trouble = operator.hear(ChainReply::AttesterDuties { epoch: Epoch::new(2), duties: Err(no_answer()) });
    assert!(matches!(&trouble[..], [Output::Report(Report::ChainTrouble { about: "attester duties", .. })]));
    assert_eq!(queries(&operator.start_slot(10)), [duties_asked(2, 1)]);
    let planned = operator.hear(duties(2, vec![attester(0, 10)]));
    assert_eq!(alarms(&planned)[&Alarm::Due(duty(10))], spec().attestation_due(slot(10)));
    assert_eq!(queries(&operator.start_slot(11)), [duties_asked(3, 1)]);
}

#[test]
fn a_question_is_worth_an_answer_until_the_slot_ends() {
    let mut operator = Operator::new(cluster(1));
    for output in operator.start_slot(8) {
        if let Output::Ask(question) = output {
            assert_eq!(question.until, spec().slot_start(slot(9)));
        }
    }
}

#[test]
fn a_duty_is_planned_when_its_slot_starts_and_once_begun_never_again() {
    let mut operator = Operator::new(cluster(1));
    let _ = operator.start_slot(8);
    let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0)])));
    let reply = || duties(2, vec![attester(0, 9)]);
    assert!(alarms(&operator.hear(reply())).is_empty(), "its slot has not started");
    assert!(alarms(&operator.start_slot(9)).contains_key(&Alarm::Due(duty(9))));
    // The answer to a question that was repeated.
    assert!(alarms(&operator.hear(reply())).contains_key(&Alarm::Due(duty(9))));
    assert!(begins(&mut operator, 9));
    assert!(!begins(&mut operator, 9), "the second alarm does nothing");
    assert!(!alarms(&operator.hear(reply())).contains_key(&Alarm::Due(duty(9))));
}

#[test]
fn after_a_stall_the_clock_decides_which_slot_it_is() {
    let mut operator = Operator::new(cluster(2));
    let _ = operator.start_slot(8);
    let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0), record(1)])));
    let _ = operator.hear(duties(2, vec![attester(0, 9), attester(1, 11)]));
    operator.now = spec().slot_start(slot(11)).saturating_add(300);
    let woken = alarms(&operator.ring(Alarm::SlotStart(slot(9))));
    assert_eq!(woken[&Alarm::SlotStart(slot(12))], spec().slot_start(slot(12)));
    assert!(woken.contains_key(&Alarm::Due(duty(11))));
    assert!(!woken.contains_key(&Alarm::Due(duty(9))), "its slot is over");
}

#[test]
fn a_duty_that_is_over_does_not_begin_however_the_clock_is_set() {
    let mut slept = Operator::new(cluster(1));
    slept.knows_duties(9, 1);
    slept.now = spec().slot_start(slot(9 + 2 * SLOTS_PER_EPOCH));
    assert!(slept.ring(Alarm::Due(duty(9))).is_empty(), "slept through it");

    let mut set_back = Operator::on_duty(9, 1);
    let _ = set_back.ring(Alarm::Expired(duty(9)));
    assert!(!alarms(&set_back.start_slot(9)).contains_key(&Alarm::Due(duty(9))));
    assert!(!begins(&mut set_back, 9));
}

#[test]
fn duties_that_are_not_ours_are_ignored() {
    let stranger = AttesterDuty { pubkey: ValidatorPubkey::new([9; 48]), ..attester(0, 9) };
    let other_index = AttesterDuty { validator_index: ValidatorIndex::new(7), ..attester(0, 9) };
    for (name, duty, ours) in [
        ("ours", attester(0, 9), true),
        ("of a stranger", stranger, false),
        ("of our key under another index", other_index, false),
        ("of a validator of the cluster that the chain has not heard of", attester(1, 9), false),
    ] {
        let mut operator = Operator::new(cluster(2));
        let _ = operator.start_slot(9);
        let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0)])));
        let _ = operator.hear(duties(2, vec![duty]));
        assert_eq!(begins(&mut operator, 9), ours, "{name}");
    }
    let mut operator = Operator::new(cluster(1));
    let _ = operator.start_slot(9);
    let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0)])));
    let _ = operator.hear(duties(1, vec![attester(0, 9)]));
    assert!(!begins(&mut operator, 9), "a slot of another epoch than the answer's");
}

#[test]
fn a_stranger_among_the_records_is_ignored() {
    let mut operator = Operator::new(cluster(1));
    let _ = operator.start_slot(8);
    let stranger =
        ValidatorRecord { pubkey: validator(1), index: index(1), active: true, slashed: false, waiting: None };
    let known = operator.hear(ChainReply::Validators(Ok(vec![record(0), stranger])));
    assert_eq!(queries(&known), [duties_asked(2, 1)]);
}

#[test]
fn while_no_validator_is_active_the_owner_is_told() {
    let waiting = ValidatorRecord { active: false, ..record(0) };
    for (name, records, told) in [
        ("unknown to the chain", vec![], true),
        ("waiting to be activated", vec![waiting], true),
        ("slashed", vec![ValidatorRecord { slashed: true, ..record(0) }], true),
        ("one of two", vec![waiting, record(1)], false),
    ] {
        let mut operator = Operator::new(cluster(2));
        let _ = operator.start_slot(8);
        let outputs = operator.hear(ChainReply::Validators(Ok(records)));
        let trouble = |output: &Output| matches!(output, Output::Report(Report::ChainTrouble { .. }));
        assert_eq!(outputs.iter().any(trouble), told, "{name}");
    }
}

#[test]
fn a_new_validator_has_its_first_duty_even_when_its_record_still_calls_it_inactive() {
    let mut operator = Operator::new(cluster(2));
    let _ = operator.start_slot(8);
    let waiting = ValidatorRecord { active: false, ..record(1) };
    let asked = operator.hear(ChainReply::Validators(Ok(vec![record(0), waiting])));
    assert_eq!(queries(&asked), [duties_asked(2, 2)]);
    let _ = operator.hear(duties(2, vec![attester(0, 8)]));
    assert_eq!(queries(&operator.start_slot(11)), [duties_asked(3, 2)]);
    let _ = operator.hear(duties(3, vec![attester(0, 13), attester(1, 12)]));
    let _ = operator.start_slot(12);
    let _ = operator.hear(ChainReply::Validators(Ok(vec![record(0), waiting])));
    assert!(begins(&mut operator, 12));
}

#[test]
fn a_validator_that_appears_in_the_middle_is_asked_for_at_once_and_others_keep_their_duties() {
    let mut operator = Operator::new(cluster(2));
    operator.knows_duties(9, 1);
    let _ = operator.start_slot(12);
    let _ = operator.hear(duties(3, vec![attester(0, 13)]));
    let appeared = operator.hear(ChainReply::Validators(Ok(vec![record(0), record(1)])));
    assert_eq!(queries(&appeared), [duties_asked(3, 2)]);
    // After a reorganisation the chain may name another slot for the first one; two would be one too many.
    let _ = operator.hear(duties(3, vec![attester(0, 14), attester(1, 15)]));
    for (number, expected) in [(13, true), (14, false), (15, true)] {
        let _ = operator.start_slot(number);
        assert_eq!(begins(&mut operator, number), expected, "slot {number}");
    }
}

#[test]
fn a_slashed_validator_stops_and_one_that_an_answer_leaves_out_goes_on() {
    for (name, records, goes_on) in [
        ("left out", vec![record(1)], true),
        ("slashed", vec![ValidatorRecord { slashed: true, ..record(0) }, record(1)], false),
    ] {
        let mut operator = Operator::new(cluster(2));
        operator.knows_duties(8, 2);
        let _ = operator.start_slot(11);
        let _ = operator.hear(duties(3, vec![attester(0, 13)]));
        let _ = operator.start_slot(12);
        let asked = queries(&operator.hear(ChainReply::Validators(Ok(records))));
        assert_eq!(asked.is_empty(), goes_on, "{name}");
        assert_eq!(begins(&mut operator, 13), goes_on, "{name}");
    }
}
