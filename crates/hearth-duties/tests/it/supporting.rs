//! Which proposals this operator supports with its PREPARE: those that it could sign, of a chain that it sees too.

use hearth_duties::{Alarm, ChainFailure, ChainQuery, ChainReply, Contradiction, Input, Output};
use hearth_qbft::Kind;
use hearth_types::{AttestationData, Epoch, Root};

use crate::support::{
    Operator, SLOTS_PER_EPOCH, alarms, checks, cluster, data, duty, objects, queries, said, says, slot, value,
    value_of, withheld,
};

/// Operator 2 leads slot 9.
const SLOT: u64 = 9;

/// Our beacon node says what to attest to.
fn sees(data: AttestationData) -> Input {
    Input::Chain(ChainReply::AttestationData { slot: slot(SLOT), data: Ok(data) })
}

fn elsewhere(change: fn(&mut AttestationData)) -> AttestationData {
    let mut data = data(SLOT, 1);
    change(&mut data);
    data
}

#[test]
fn what_the_record_calls_slashable_is_not_supported_and_what_can_only_wait_is_unless_all_of_it_has_to() {
    for (name, against, supported) in [
        ("nothing", vec![], true),
        ("one of two has to wait", vec![(0, false)], true),
        ("both have to wait", vec![(0, false), (1, false)], false),
        ("one of two would be slashed", vec![(1, true)], false),
        ("one waits, one would be slashed", vec![(0, false), (1, true)], false),
    ] {
        let mut operator = Operator::on_duty(SLOT, 2);
        let asked = operator.one_step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 2)));
        assert!(said(&asked).is_empty(), "{name}: nothing is said before the record was asked");
        let check = checks(&asked).remove(0);
        assert_eq!(check.votes.len(), 2, "{name}");
        let outputs = operator.one_step(objects(&check, &against));
        assert_eq!(said(&outputs) == [Kind::Prepare], supported, "{name}");
        let named: Vec<u8> = withheld(&outputs).into_iter().map(|(leader, _)| leader).collect();
        assert_eq!(named, if supported { vec![] } else { vec![2] }, "{name}");
    }
}

#[test]
fn another_source_or_target_than_our_beacon_nodes_is_not_supported_and_another_head_is() {
    let another_root: fn(&mut AttestationData) = |data| data.target.root = Root::new([9; 32]);
    let another_source: fn(&mut AttestationData) = |data| data.source.epoch = Epoch::new(0);
    let another_head: fn(&mut AttestationData) = |data| data.beacon_block_root = Root::new([9; 32]);
    for (name, proposed, which) in [
        ("the same", elsewhere(|_| ()), None),
        ("another head", elsewhere(another_head), None),
        ("another target", elsewhere(another_root), Some("target")),
        ("another source", elsewhere(another_source), Some("source")),
    ] {
        for policy in [Contradiction::Refuse, Contradiction::Follow] {
            let mut operator = Operator::on_duty(SLOT, 1);
            operator.workflow = operator.workflow.on_contradiction(policy);
            let _ = operator.step(sees(data(SLOT, 1)));
            let proposal = says(SLOT, Kind::PrePrepare, 2, 1, &value_of(&[(0, proposed)]));
            let outputs = operator.step(proposal);
            let refused = which.filter(|_| policy == Contradiction::Refuse);
            assert_eq!(said(&outputs).is_empty(), refused.is_some(), "{name} {policy:?}");
            match (refused, withheld(&outputs).first()) {
                (Some(which), Some((2, reason))) => assert!(reason.contains(which), "{name}: {reason}"),
                (None, None) => {}
                other => panic!("{name} {policy:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn whoever_has_no_view_of_the_chain_supports_what_others_see() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let failure = ChainFailure::Unreachable("gone".into());
    let _ = operator.hear(ChainReply::AttestationData { slot: slot(SLOT), data: Err(failure) });
    let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 1)));
    assert_eq!(said(&outputs), [Kind::Prepare]);
}

#[test]
fn a_beacon_node_that_was_late_by_a_block_is_asked_again_until_it_sees_what_the_leader_sees() {
    let late = elsewhere(|data| data.target.root = Root::new([9; 32]));
    let mut operator = Operator::on_duty(SLOT, 1);
    let _ = operator.step(sees(late));
    let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 1)));
    assert_eq!(withheld(&outputs).len(), 1);
    for _ in 0..2 {
        let again = alarms(&operator.step(sees(late)));
        assert!(again[&Alarm::LookAgain(duty(SLOT))] > operator.now, "not in a circle");
        let asked = operator.ring(Alarm::LookAgain(duty(SLOT)));
        assert_eq!(queries(&asked), [ChainQuery::AttestationData { slot: slot(SLOT) }]);
    }
    let outputs = operator.step(sees(data(SLOT, 1)));
    assert_eq!(said(&outputs), [Kind::Prepare]);
    assert!(withheld(&outputs).is_empty());
    assert!(operator.ring(Alarm::LookAgain(duty(SLOT))).is_empty(), "it is settled");
}

#[test]
fn a_prepare_that_was_held_back_is_not_sent_in_a_later_round_nor_after_the_decision() {
    let late = elsewhere(|data| data.target.root = Root::new([9; 32]));
    for decided in [false, true] {
        let mut operator = Operator::on_duty(SLOT, 1);
        let _ = operator.step(sees(late));
        let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 1)));
        if decided {
            let _ = operator.decide(SLOT, &value(SLOT, 1, 1));
        } else {
            for alarm in alarms(&outputs).into_keys() {
                let _ = operator.ring(alarm);
            }
        }
        assert!(!said(&operator.step(sees(data(SLOT, 1)))).contains(&Kind::Prepare), "decided: {decided}");
    }
}

#[test]
fn a_slot_with_a_duty_is_put_on_record_and_the_end_of_a_known_epoch_is_the_time_to_confer() {
    let reserved = |outputs: &[Output]| -> Vec<u64> {
        let slot = |output: &Output| if let Output::Reserve(slot) = output { Some(slot.get()) } else { None };
        outputs.iter().filter_map(slot).collect()
    };
    let confers = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Confer(_)));
    let last = SLOT / SLOTS_PER_EPOCH * SLOTS_PER_EPOCH + SLOTS_PER_EPOCH - 1;
    let mut operator = Operator::new(cluster(1));
    assert!(!confers(&operator.start_slot(last)), "of this epoch nothing is known: the clock may be wrong");
    operator.knows_duties(SLOT, 1);
    for number in SLOT..=last {
        let outputs = operator.start_slot(number);
        assert_eq!(reserved(&outputs), if number == SLOT { vec![number] } else { vec![] });
        assert_eq!(confers(&outputs), number == last, "slot {number}");
    }
}
