//! The last word on a duty: where it ended, under which code.

use hearth_duties::{Alarm, ChainFailure, ChainReply, Failure, Input, Output, Report, Stage};
use hearth_types::{ShareIndex, ValidatorIndex};

use crate::support::{
    Operator, cluster, data, duty, partials, raw_value, requests, share, sign, slot, submissions, value,
    value_of,
};

const SLOT: u64 = 9;

/// What happens to an operator on duty, and where the duty then ends: stage, code, and a word about it.
type Story = (&'static str, fn(&mut Operator), Option<(Stage, &'static str, &'static str)>);

fn unreachable(operator: &mut Operator) {
    let down = ChainFailure::Unreachable("connection refused".into());
    let _ = operator.hear(ChainReply::AttestationData { slot: slot(SLOT), data: Err(down) });
}

fn decided(operator: &mut Operator) {
    let _ = operator.decide(SLOT, &value(SLOT, 1, 2));
}

fn signed(operator: &mut Operator) {
    let _ = operator.decide_and_sign(SLOT, &value(SLOT, 1, 2));
}

fn refused(operator: &mut Operator) {
    let outputs = operator.decide(SLOT, &value(SLOT, 1, 2));
    let mut reply = sign(&requests(&outputs)[0]);
    reply.signatures.iter_mut().for_each(|(_, signature)| *signature = Err("slashable".into()));
    let _ = operator.step(Input::Signed(reply));
}

fn completed(operator: &mut Operator) {
    let mut outputs = operator.decide_and_sign(SLOT, &value(SLOT, 1, 2));
    for from in [2, 3] {
        outputs.extend(operator.step(partials(from, &[0, 1], data(SLOT, 1))));
    }
    let _ = operator.combine_all(outputs);
}

fn submission_refused(operator: &mut Operator) {
    completed(operator);
    let outcome = Err(ChainFailure::Refused("503: busy".into()));
    let _ = operator.hear(ChainReply::Submitted { slot: slot(SLOT), validators: 2, outcome });
}

#[test]
fn the_furthest_stage_and_its_error_give_the_code() {
    let stories: Vec<Story> = vec![
        ("nothing heard", |_| {}, Some((Stage::Agree, "no_consensus", "round 1"))),
        (
            "no beacon node and no agreement",
            unreachable,
            Some((Stage::Fetch, "fetch_bn_error", "connection refused")),
        ),
        (
            "a value that does not decode",
            |operator| {
                unreachable(operator);
                let _ = operator.decide(SLOT, &raw_value(b"no attestations"));
            },
            Some((Stage::Agree, "bug_duty_db_error", "malformed")),
        ),
        ("no answer of the signer", decided, Some((Stage::Sign, "no_local_vc_signature", "has not answered"))),
        ("the signer refuses", refused, Some((Stage::Sign, "no_local_vc_signature", "slashable"))),
        (
            "the leader leaves one out",
            |operator| {
                let _ = operator.decide_and_sign(SLOT, &value_of(&[(0, data(SLOT, 1))]));
            },
            Some((Stage::Sign, "no_local_vc_signature", "leaves this validator out")),
        ),
        ("no peer signs", signed, Some((Stage::Collect, "no_peer_signatures", "1 of 3"))),
        (
            "too few peers sign",
            |operator| {
                signed(operator);
                let _ = operator.step(partials(3, &[0, 1], data(SLOT, 1)));
            },
            Some((Stage::Collect, "insufficient_peer_signatures", "2 of 3")),
        ),
        (
            "enough peers sign for one validator and too few for the other",
            |operator| {
                let mut outputs = operator.decide_and_sign(SLOT, &value(SLOT, 1, 2));
                outputs.extend(operator.step(partials(2, &[0, 1], data(SLOT, 1))));
                outputs.extend(operator.step(partials(3, &[0], data(SLOT, 1))));
                let _ = operator.combine_all(outputs);
                let _ = operator.taken(SLOT, 1);
            },
            Some((Stage::Collect, "insufficient_peer_signatures", "2 of 3")),
        ),
        (
            "peers sign something else",
            |operator| {
                signed(operator);
                let _ = operator.step(partials(2, &[0, 1], data(SLOT, 2)));
                let _ = operator.step(partials(3, &[0, 1], data(SLOT, 2)));
            },
            Some((Stage::Collect, "bug_par_sig_db_inconsistent", "2 of 3")),
        ),
        (
            "no answer of the beacon node",
            completed,
            Some((Stage::Submit, "broadcast_bn_error", "has not answered")),
        ),
        (
            "the beacon node refuses",
            submission_refused,
            Some((Stage::Submit, "broadcast_bn_error", "503: busy")),
        ),
        (
            "the beacon node takes it",
            |operator| {
                completed(operator);
                let _ = operator.taken(SLOT, 2);
            },
            None,
        ),
        (
            "we refuse and the others suffice",
            |operator| {
                refused(operator);
                let mut outputs = Vec::new();
                for from in 2..=4 {
                    outputs.extend(operator.step(partials(from, &[0, 1], data(SLOT, 1))));
                }
                let _ = operator.combine_all(outputs);
                let _ = operator.taken(SLOT, 2);
            },
            None,
        ),
    ];
    for (name, story, expected) in stories {
        let mut operator = Operator::on_duty(SLOT, 2);
        story(&mut operator);
        match (operator.verdict(SLOT).0, expected) {
            (None, None) => {}
            (Some(Failure { stage, code, detail }), Some((at, named, about))) => {
                assert_eq!((stage, code), (at, named), "{name}: {detail}");
                assert!(detail.contains(about), "{name}: {detail}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_signers_of_a_duty_are_those_whose_partials_arrived() {
    let mut operator = Operator::on_duty(SLOT, 2);
    signed(&mut operator);
    let _ = operator.step(partials(4, &[1], data(SLOT, 1)));
    assert_eq!(operator.verdict(SLOT).1, [share(1), share(4)]);
}

#[test]
fn a_duty_that_never_began_gets_no_word_and_any_other_exactly_one() {
    let words = |outputs: &[Output]| {
        outputs.iter().filter(|output| matches!(output, Output::Report(Report::Finished { .. }))).count()
    };
    let mut operator = Operator::new(cluster(1));
    operator.knows_duties(SLOT, 1);
    assert_eq!(words(&operator.ring(Alarm::Verdict(duty(SLOT)))), 0);
    for (name, alarms, expected) in [
        ("as usual", vec![Alarm::Verdict(duty(SLOT)), Alarm::Expired(duty(SLOT))], 1),
        ("twice", vec![Alarm::Verdict(duty(SLOT)), Alarm::Verdict(duty(SLOT))], 1),
        ("it expires first", vec![Alarm::Expired(duty(SLOT)), Alarm::Verdict(duty(SLOT))], 1),
    ] {
        let mut operator = Operator::on_duty(SLOT, 1);
        let outputs: Vec<Output> = alarms.into_iter().flat_map(|alarm| operator.ring(alarm)).collect();
        assert_eq!(words(&outputs), expected, "{name}");
    }
}

#[test]
fn a_success_after_the_last_word_is_still_handed_over_and_reported() {
    let mut operator = Operator::on_duty(SLOT, 1);
    assert_eq!(operator.verdict(SLOT).0.unwrap().code, "no_consensus");
    let mut outputs = operator.decide_and_sign(SLOT, &value(SLOT, 1, 1));
    for from in [2, 3] {
        outputs.extend(operator.step(partials(from, &[0], data(SLOT, 1))));
    }
    assert_eq!(submissions(&operator.combine_all(outputs)).len(), 1);
    let taken = operator.taken(SLOT, 1);
    assert!(matches!(&taken[..], [Output::Report(Report::Submitted { after_ms: 12_000, .. })]), "{taken:?}");
}

#[test]
fn reports_are_written_with_names_and_without_structure_of_ours() {
    let failure = Failure { stage: Stage::Collect, code: "no_peer_signatures", detail: "1 of 3".into() };
    let signers: Vec<ShareIndex> = vec![share(1)];
    let both = vec![ValidatorIndex::new(7), ValidatorIndex::new(8)];
    let report = Report::Finished {
        duty: duty(SLOT),
        validators: both,
        failure: Some(failure),
        signers,
        after_ms: None,
    };
    let expected = serde_json::json!({
        "event": "finished",
        "duty": { "slot": "9", "kind": "attester" },
        "validators": ["7", "8"],
        "failure": { "stage": "collect", "code": "no_peer_signatures", "detail": "1 of 3" },
        "signers": [1],
        "after_ms": null,
    });
    assert_eq!(serde_json::to_value(report).unwrap(), expected);
}
