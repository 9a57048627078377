//! The whole road of a duty, by hand.

use hearth_duties::{
    Alarm, ChainFailure, ChainQuery, ChainReply, Input, Output, PartialAttestation, PartialSet, Report,
};
use hearth_qbft::Kind;
use hearth_types::{AttestationData, CommitteeIndex, SingleAttestation, Slot, ValidatorIndex};

use crate::support::{
    Operator, alarms, attester, blamed, cluster, comes_back, data, drafts, duty, group_signature, index, jobs,
    partial, partials, queries, refused, requests, said, says, set, sign, slot, spec, submissions, validator,
    value,
};

/// Operator 1 leads slot 8.
const OURS: u64 = 8;
/// Operator 2 leads slot 9.
const THEIRS: u64 = 9;

fn fetched(number: u64, head: u8) -> ChainReply {
    ChainReply::AttestationData { slot: slot(number), data: Ok(data(number, head)) }
}

fn attestation(position: usize, number: u64, head: u8) -> SingleAttestation {
    let data = data(number, head);
    SingleAttestation {
        committee_index: attester(position, number).committee_index,
        attester_index: index(position),
        data,
        signature: group_signature(position, &data),
    }
}

#[test]
fn a_duty_begins_with_a_question_and_the_moments_at_which_it_ends() {
    let mut operator = Operator::new(cluster(1));
    operator.knows_duties(THEIRS, 1);
    let outputs = operator.begin(THEIRS);
    assert_eq!(queries(&outputs), [ChainQuery::AttestationData { slot: slot(THEIRS) }]);
    let alarms = alarms(&outputs);
    let due = spec().attestation_due(slot(THEIRS));
    assert_eq!(alarms[&Alarm::Verdict(duty(THEIRS))], due.saturating_add(spec().slot_ms()));
    let expired = spec().slot_start(slot(THEIRS + 4)).saturating_add(1_000);
    assert_eq!(alarms[&Alarm::Expired(duty(THEIRS))], expired);
    let first_round = alarms.iter().find(|(alarm, _)| matches!(alarm, Alarm::RoundEnd(..))).unwrap();
    assert_eq!(*first_round.1, due.saturating_add(1_000));
}

#[test]
fn the_leader_proposes_what_its_beacon_node_says_and_the_duty_goes_its_way() {
    let mut operator = Operator::on_duty(OURS, 2);

    let proposed = operator.hear(fetched(OURS, 1));
    let expected = value(OURS, 1, 2);
    assert_eq!(said(&proposed), [Kind::PrePrepare]);
    assert_eq!(drafts(&proposed)[0].values, std::slice::from_ref(&expected));

    let prepared = operator.step(comes_back(&drafts(&proposed)[0]));
    assert_eq!(said(&prepared), [Kind::Prepare]);
    let mut outputs = operator.step(comes_back(&drafts(&prepared)[0]));
    for from in [2, 3] {
        outputs.extend(operator.step(says(OURS, Kind::Prepare, from, 1, &expected)));
    }
    assert_eq!(said(&outputs), [Kind::Commit]);
    let mut outputs = operator.step(comes_back(&drafts(&outputs)[0]));
    for from in [2, 3] {
        outputs.extend(operator.step(says(OURS, Kind::Commit, from, 1, &expected)));
    }
    assert!(matches!(&outputs[0], Output::Report(Report::Decided { leader, .. }) if leader.share().get() == 1));
    let [request] = &requests(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(request.votes.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [validator(0), validator(1)]);

    let signed = operator.step(Input::Signed(sign(request)));
    let ours = PartialSet {
        duty: duty(OURS),
        partials: vec![partial(1, 0, data(OURS, 1)), partial(1, 1, data(OURS, 1))],
    };
    assert!(matches!(&signed[0], Output::SendPartials(set) if *set == ours), "{signed:?}");
    assert!(jobs(&signed).is_empty(), "one of three");
    assert!(jobs(&operator.step(partials(3, &[0, 1], data(OURS, 1)))).is_empty(), "two of three");
    let enough = operator.step(partials(2, &[0, 1], data(OURS, 1)));
    assert_eq!(jobs(&enough).len(), 1, "one combination for all validators");
    let whole = operator.combine_all(enough);
    assert_eq!(submissions(&whole), [attestation(0, OURS, 1), attestation(1, OURS, 1)]);

    assert!(operator.workflow.is_busy(operator.now));
    let taken = operator.taken(OURS, 2);
    assert!(matches!(&taken[..], [Output::Report(Report::Submitted { validators: 2, .. })]));
    assert!(!operator.workflow.is_busy(operator.now));
    let (failure, signers) = operator.verdict(OURS);
    assert_eq!((failure, signers.len()), (None, 3));
}

#[test]
fn while_the_beacon_node_is_down_the_operator_votes_and_signs_what_the_others_decide() {
    let mut operator = Operator::on_duty(THEIRS, 1);
    let down = ChainFailure::Unreachable("connection refused".into());
    let trouble = operator.hear(ChainReply::AttestationData { slot: slot(THEIRS), data: Err(down.clone()) });
    assert!(matches!(
        &trouble[..],
        [Output::Report(Report::ChainTrouble { about: "attestation data", failure })] if *failure == down
    ));
    let expected = value(THEIRS, 1, 1);
    assert_eq!(said(&operator.step(says(THEIRS, Kind::PrePrepare, 2, 1, &expected))), [Kind::Prepare]);
    let mut outputs = operator.decide_and_sign(THEIRS, &expected);
    for from in [2, 3] {
        outputs.extend(operator.step(partials(from, &[0], data(THEIRS, 1))));
    }
    let outputs = operator.combine_all(outputs);
    assert_eq!(submissions(&outputs), [attestation(0, THEIRS, 1)]);
    let _ = operator.taken(THEIRS, 1);
    assert_eq!(operator.verdict(THEIRS).0, None);
}

#[test]
fn the_committee_comes_from_our_own_beacon_node_and_not_from_the_leader() {
    let mut operator = Operator::on_duty(THEIRS, 1);
    let mut outputs = operator.decide_and_sign(THEIRS, &value(THEIRS, 1, 1));
    for from in [2, 3] {
        let lie = PartialAttestation {
            committee_index: CommitteeIndex::new(60),
            validator_index: ValidatorIndex::new(1),
            ..partial(from, 0, data(THEIRS, 1))
        };
        outputs.extend(operator.step(set(from, THEIRS, vec![lie])));
    }
    let outputs = operator.combine_all(outputs);
    assert_eq!(submissions(&outputs), [attestation(0, THEIRS, 1)]);
}

#[test]
fn what_the_beacon_node_says_about_another_vote_is_not_proposed() {
    let good = data(OURS, 1);
    let with = |change: fn(&mut AttestationData)| {
        let mut data = good;
        change(&mut data);
        data
    };
    for (name, data) in [
        ("another slot", with(|data| data.slot = Slot::new(OURS + 1))),
        ("another target", with(|data| data.target.epoch = data.target.epoch.next())),
        ("a source after the target", with(|data| data.source.epoch = data.target.epoch.next())),
        ("a committee", with(|data| data.index = CommitteeIndex::new(1))),
    ] {
        let mut operator = Operator::on_duty(OURS, 1);
        let outputs = operator.hear(ChainReply::AttestationData { slot: slot(OURS), data: Ok(data) });
        assert!(drafts(&outputs).is_empty(), "{name}");
        let unusable = |output: &Output| {
            matches!(output, Output::Report(Report::ChainTrouble { failure: ChainFailure::Unusable(_), .. }))
        };
        assert!(outputs.iter().any(unusable), "{name}");
    }
}

#[test]
fn only_the_first_answer_of_the_beacon_node_is_proposed() {
    let mut operator = Operator::on_duty(OURS, 1);
    assert_eq!(said(&operator.hear(fetched(OURS, 1))), [Kind::PrePrepare]);
    assert!(said(&operator.hear(fetched(OURS, 2))).is_empty());
}

#[test]
fn the_refusal_of_the_signer_is_reported_and_the_others_are_signed() {
    let mut operator = Operator::on_duty(THEIRS, 2);
    let decided = operator.decide(THEIRS, &value(THEIRS, 1, 2));
    let mut reply = sign(&requests(&decided)[0]);
    reply.signatures[0].1 = Err("slashable: a vote of this target is on record".into());
    let outputs = operator.step(Input::Signed(reply));
    assert_eq!(refused(&outputs), [(validator(0), "slashable: a vote of this target is on record")]);
    let sent = |output: &Output| match output {
        Output::SendPartials(set) => set.partials.iter().map(|partial| partial.validator).collect(),
        _ => Vec::new(),
    };
    assert_eq!(outputs.iter().flat_map(sent).collect::<Vec<_>>(), [validator(1)]);
}

#[test]
fn an_answer_of_the_signer_that_comes_twice_is_sent_once() {
    let mut operator = Operator::on_duty(THEIRS, 1);
    let decided = operator.decide(THEIRS, &value(THEIRS, 1, 1));
    let reply = sign(&requests(&decided)[0]);
    assert!(!operator.step(Input::Signed(reply.clone())).is_empty());
    assert!(operator.step(Input::Signed(reply)).is_empty());
}

#[test]
fn a_duty_that_expired_is_forgotten() {
    let mut operator = Operator::on_duty(THEIRS, 1);
    let decided = operator.decide(THEIRS, &value(THEIRS, 1, 1));
    let reply = sign(&requests(&decided)[0]);
    let _ = operator.verdict(THEIRS);
    assert!(operator.ring(Alarm::Expired(duty(THEIRS))).is_empty(), "its last word was said");
    operator.now = spec().slot_start(slot(THEIRS + 5));
    for (name, input) in [
        ("a late signature", Input::Signed(reply)),
        ("a late partial", partials(2, &[0], data(THEIRS, 1))),
        ("a late vote", says(THEIRS, Kind::Commit, 2, 1, &value(THEIRS, 1, 1))),
        ("a late answer", Input::Chain(fetched(THEIRS, 1))),
        ("a late verdict", Input::Alarm(Alarm::Verdict(duty(THEIRS)))),
    ] {
        assert!(operator.step(input).is_empty(), "{name}");
    }
}

#[test]
fn an_operator_is_busy_from_the_moment_a_duty_is_due_until_it_is_done_but_no_longer_than_a_slot() {
    let mut operator = Operator::new(cluster(2));
    operator.knows_duties(THEIRS, 2);
    assert!(!operator.workflow.is_busy(operator.now), "not due");
    let _ = operator.begin(THEIRS);
    assert!(operator.workflow.is_busy(operator.now), "due");
    let mut outputs = operator.decide_and_sign(THEIRS, &value(THEIRS, 1, 2));
    for from in [2, 3] {
        outputs.extend(operator.step(partials(from, &[0, 1], data(THEIRS, 1))));
    }
    let outputs = operator.combine_all(outputs);
    assert!(blamed(&outputs).is_empty());
    assert!(operator.workflow.is_busy(operator.now), "the beacon node has not answered");
    let _ = operator.taken(THEIRS, 1);
    assert!(operator.workflow.is_busy(operator.now), "it took one of two");
    let later = operator.now.saturating_add(spec().slot_ms());
    assert!(!operator.workflow.is_busy(later), "a lost duty does not keep anybody");
    let _ = operator.taken(THEIRS, 1);
    assert!(!operator.workflow.is_busy(operator.now), "done");
}
