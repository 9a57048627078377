//! What a leader may and may not make us sign, and what a peer may cost us.

use hearth_duties::{ConsensusMessage, Input, Output, Report, Value};
use hearth_qbft::{Kind, Message};
use hearth_types::{AttestationData, CommitteeIndex, Epoch, Slot};

use crate::support::{
    HORIZON, Operator, SLOTS_PER_EPOCH, blamed, cluster, comes_back, consensus, data, drafts, duty, raw_value,
    refused, requests, said, says, signed, validator, value, value_of, vote,
};

/// Operator 2 leads slot 9.
const SLOT: u64 = 9;

fn altered(change: fn(&mut AttestationData)) -> AttestationData {
    let mut data = data(SLOT, 1);
    change(&mut data);
    data
}

fn bad_votes() -> Vec<(&'static str, AttestationData)> {
    vec![
        ("the slot before", altered(|data| data.slot = Slot::new(SLOT - 1))),
        ("the slot after", altered(|data| data.slot = Slot::new(SLOT + 1))),
        ("the largest slot", altered(|data| data.slot = Slot::new(u64::MAX))),
        ("a committee", altered(|data| data.index = CommitteeIndex::new(1))),
        ("the target before", altered(|data| data.target.epoch = data.target.epoch.saturating_sub(1))),
        ("the target after", altered(|data| data.target.epoch = data.target.epoch.next())),
        ("the largest target", altered(|data| data.target.epoch = Epoch::FAR_FUTURE)),
        ("a source after the target", altered(|data| data.source.epoch = data.target.epoch.next())),
        ("the largest source", altered(|data| data.source.epoch = Epoch::FAR_FUTURE)),
    ]
}

#[test]
fn a_malformed_vote_never_reaches_the_signer_even_when_the_cluster_decided_it() {
    for (name, data) in bad_votes() {
        let mut operator = Operator::on_duty(SLOT, 1);
        let outputs = operator.decide(SLOT, &value_of(&[(0, data)]));
        assert!(requests(&outputs).is_empty(), "{name}");
        assert_eq!(refused(&outputs).len(), 1, "{name}");
    }
}

#[test]
fn one_malformed_vote_in_a_decided_value_does_not_cost_the_other_validators_theirs() {
    for (name, bad) in bad_votes() {
        let mut operator = Operator::on_duty(SLOT, 2);
        let outputs = operator.decide(SLOT, &value_of(&[(0, bad), (1, data(SLOT, 1))]));
        let asked: Vec<_> = requests(&outputs)[0].votes.iter().map(|(key, _)| *key).collect();
        assert_eq!(asked, [validator(1)], "{name}");
        assert_eq!(refused(&outputs)[0].0, validator(0), "{name}");
    }
}

#[test]
fn a_vote_beyond_the_known_forks_never_reaches_the_signer() {
    let number = HORIZON * SLOTS_PER_EPOCH;
    let mut operator = Operator::on_duty(number, 1);
    let outputs = operator.decide(number, &value_of(&[(0, data(number, 1))]));
    assert!(requests(&outputs).is_empty());
    assert!(refused(&outputs)[0].1.contains("update Hearth"), "{outputs:?}");
}

#[test]
fn validators_that_have_no_duty_here_are_not_signed_for() {
    let mut operator = Operator::new(cluster(3));
    operator.knows_duties(SLOT, 1);
    let _ = operator.begin(SLOT);
    let outputs = operator.decide(SLOT, &value(SLOT, 1, 3));
    let asked: Vec<_> = requests(&outputs)[0].votes.iter().map(|(key, _)| *key).collect();
    assert_eq!(asked, [validator(0)]);
    assert!(refused(&outputs).is_empty());
}

#[test]
fn a_validator_that_the_leader_leaves_out_is_named_and_the_others_are_signed() {
    let mut operator = Operator::on_duty(SLOT, 2);
    let outputs = operator.decide(SLOT, &value(SLOT, 1, 1));
    assert_eq!(refused(&outputs), [(validator(1), "the decided value leaves this validator out")]);
    assert_eq!(requests(&outputs)[0].votes.len(), 1);
}

fn is_accusation(output: &Output) -> bool {
    matches!(output, Output::Report(Report::Equivocated { .. }))
}

#[test]
fn a_decided_value_that_does_not_decode_loses_the_duty_and_nothing_else() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let outputs = operator.decide(SLOT, &raw_value(b"no attestations"));
    assert!(requests(&outputs).is_empty());
    let again = operator.decide(SLOT, &value(SLOT, 1, 1));
    assert!(again.iter().all(is_accusation), "nothing is decided twice: {again:?}");
    let failure = operator.verdict(SLOT).0.unwrap();
    assert_eq!(failure.code, "bug_duty_db_error");
}

#[test]
fn a_proposal_that_nobody_can_sign_gets_no_prepare_and_its_leader_is_named() {
    let mut proposals: Vec<(&str, Value)> =
        bad_votes().into_iter().map(|(name, data)| (name, value_of(&[(0, data)]))).collect();
    proposals.push(("nothing that decodes", raw_value(b"no attestations")));
    proposals.push(("an empty set", value_of(&[])));
    proposals.push(("a validator of another cluster", value(SLOT, 1, 3)));
    proposals.push((
        "one bad vote of two",
        value_of(&[(0, data(SLOT, 1)), (1, altered(|d| d.slot = Slot::new(1)))]),
    ));
    for (name, proposed) in proposals {
        let mut operator = Operator::on_duty(SLOT, 2);
        let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &proposed));
        assert!(said(&outputs).is_empty(), "{name}");
        assert_eq!(blamed(&outputs).iter().map(|(who, _)| *who).collect::<Vec<_>>(), [2], "{name}");
    }
}

#[test]
fn a_proposal_gets_our_prepare_although_the_leader_knows_of_more_or_of_fewer_duties() {
    for (name, proposed) in
        [("fewer", value(SLOT, 1, 1)), ("as many", value(SLOT, 1, 2)), ("more", value(SLOT, 1, 3))]
    {
        let mut operator = Operator::new(cluster(3));
        operator.knows_duties(SLOT, 2);
        let _ = operator.begin(SLOT);
        let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &proposed));
        assert_eq!(said(&outputs), [Kind::Prepare], "{name}");
        assert!(blamed(&outputs).is_empty(), "{name}");
    }
}

#[test]
fn of_two_proposals_of_one_leader_only_the_first_gets_our_prepare() {
    let mut operator = Operator::on_duty(SLOT, 1);
    assert_eq!(said(&operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 1, 1)))), [Kind::Prepare]);
    assert!(said(&operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &value(SLOT, 2, 1)))).is_empty());
}

#[test]
fn a_message_without_the_value_that_it_names_is_dropped() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let named = value(SLOT, 1, 1);
    for from in 2..=4 {
        let message =
            Message { signed: signed(vote(Kind::Commit, from, 1, Some(&named))), justification: vec![] };
        let bare = ConsensusMessage { duty: duty(SLOT), message, values: vec![] };
        assert!(operator.step(consensus(from, bare)).is_empty());
    }
    assert_eq!(requests(&operator.decide(SLOT, &named)).len(), 1);
}

/// A PREPARE of `author` that `via` delivers with its own votes attached, which name `junk`.
fn poisoned(via: u8, author: u8, proposed: &Value, junk: &[Value]) -> Input {
    let justification = junk.iter().map(|junk| signed(vote(Kind::Prepare, via, 1, Some(junk)))).collect();
    let message = Message { signed: signed(vote(Kind::Prepare, author, 1, Some(proposed))), justification };
    let values = junk.iter().chain([proposed]).cloned().collect();
    consensus(via, ConsensusMessage { duty: duty(SLOT), message, values })
}

#[test]
fn whoever_attaches_junk_to_the_votes_of_others_silences_himself_only() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let junk: Vec<Value> = (0..100_u8).map(|byte| raw_value(&[byte])).collect();
    let agreed = value(SLOT, 1, 1);
    for (at, junk) in junk.chunks(7).enumerate() {
        let author = [2, 3][at % 2];
        let _ = operator.step(poisoned(4, author, &agreed, junk));
    }
    let unheard = operator.step(says(SLOT, Kind::Commit, 4, 1, &raw_value(b"new")));
    assert!(unheard.is_empty());
    // The honest are heard: with our own COMMIT they are a quorum.
    let mut outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &agreed));
    for from in [2, 3] {
        outputs.extend(operator.step(says(SLOT, Kind::Prepare, from, 1, &agreed)));
    }
    for _ in 0..2 {
        for draft in drafts(&outputs) {
            outputs.extend(operator.step(comes_back(&draft)));
        }
    }
    for from in [2, 3] {
        outputs.extend(operator.step(says(SLOT, Kind::Commit, from, 1, &agreed)));
    }
    assert_eq!(requests(&outputs).len(), 1);
}

#[test]
fn a_value_that_is_longer_than_the_cluster_allows_is_not_kept() {
    let padded = |spaces: usize| {
        let mut bytes = value(SLOT, 1, 1).bytes.to_vec();
        bytes.resize(bytes.len() + spaces, b' ');
        raw_value(&bytes)
    };
    for (name, proposed, heard) in [("as usual", padded(0), true), ("a megabyte", padded(1 << 20), false)] {
        let mut operator = Operator::on_duty(SLOT, 1);
        let outputs = operator.step(says(SLOT, Kind::PrePrepare, 2, 1, &proposed));
        assert_eq!(!said(&outputs).is_empty(), heard, "{name}");
    }
}

#[test]
fn once_decided_the_operator_answers_those_who_missed_it() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let agreed = value(SLOT, 1, 1);
    let _ = operator.decide(SLOT, &agreed);
    // What others name now is of no use and is not kept. Who names many things in one round is accused, once.
    let prepares = (0..50).map(|byte| says(SLOT, Kind::Prepare, 3, 1, &raw_value(&[byte])));
    let outputs: Vec<_> = prepares.flat_map(|prepare| operator.step(prepare)).collect();
    assert!(outputs.len() == 1 && outputs.iter().all(is_accusation), "{outputs:?}");
    let outputs = operator.step(says(SLOT, Kind::RoundChange, 4, 2, &agreed));
    assert_eq!(said(&outputs), [Kind::Decided]);
    assert_eq!(drafts(&outputs)[0].values, [agreed]);
}

#[test]
fn the_report_of_a_decision_names_round_and_leader() {
    let mut operator = Operator::on_duty(SLOT, 1);
    operator.now = operator.now.saturating_add(250);
    let outputs = operator.decide(SLOT, &value(SLOT, 1, 1));
    let decided = outputs.iter().find_map(|output| match output {
        Output::Report(Report::Decided { round, leader, after_ms, .. }) => {
            Some((round.get(), leader.share().get(), *after_ms))
        }
        _ => None,
    });
    assert_eq!(decided, Some((1, 2, 250)));
}
