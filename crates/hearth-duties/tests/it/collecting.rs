//! Partial signatures of friends, strangers and forgers.

use hearth_crypto::{SlotOutcome, Standing};
use hearth_duties::{Equivocation, Input, Output, PartialAttestation, Report, SignedData};
use hearth_types::{SignatureBytes, Slot, ValidatorPubkey, vote_of};

use crate::support::{
    Operator, blamed, cluster, data, duty, group_signature, jobs, partial, partials, requests, set, share,
    shares_of, sign, signature, spec, submissions, validator, value, value_of,
};

const SLOT: u64 = 9;

/// Operator 1 has decided and signed.
fn signed(validators: usize) -> Operator {
    let mut operator = Operator::on_duty(SLOT, validators);
    let outputs = operator.decide_and_sign(SLOT, &value(SLOT, 1, validators));
    assert!(jobs(&outputs).is_empty());
    operator
}

/// What operator `number` sends when it signed something else.
fn forged(number: u8, position: usize) -> PartialAttestation {
    PartialAttestation {
        signature: signature(number, position, &data(SLOT, 99)),
        ..partial(number, position, data(SLOT, 1))
    }
}

fn garbage(number: u8, bytes: [u8; 96]) -> PartialAttestation {
    PartialAttestation { signature: SignatureBytes::new(bytes), ..partial(number, 0, data(SLOT, 1)) }
}

#[test]
fn what_no_honest_peer_sends_is_refused_and_its_sender_named() {
    let good = || partial(2, 0, data(SLOT, 1));
    let mut off_slot = good();
    off_slot.data.slot = Slot::new(SLOT + 1);
    let mut off_target = good();
    off_target.data.target.epoch = off_target.data.target.epoch.next();
    for (name, partial, expected) in [
        ("under another's share", partial(3, 0, data(SLOT, 1)), Some("under share 3")),
        ("under our share", partial(1, 0, data(SLOT, 1)), Some("under share 1")),
        ("under a share of nobody", PartialAttestation { share: share(9), ..good() }, Some("under share 9")),
        (
            "for a foreign validator",
            PartialAttestation { validator: ValidatorPubkey::new([8; 48]), ..good() },
            Some("foreign validator"),
        ),
        ("of another slot", off_slot, Some("is for slot 10")),
        ("of another target", off_target, Some("do not fit slot 9")),
        ("for a validator without this duty", partial(2, 1, data(SLOT, 1)), None),
        ("as it should be", good(), None),
    ] {
        let mut operator = Operator::new(cluster(2));
        operator.knows_duties(SLOT, 1);
        let _ = operator.begin(SLOT);
        let outputs = operator.step(set(2, SLOT, vec![partial]));
        match (&blamed(&outputs)[..], expected) {
            ([], None) => {}
            ([(2, reason)], Some(expected)) => assert!(reason.contains(expected), "{name}: {reason}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_is_refused_counts_for_nothing() {
    let mut operator = signed(1);
    let stolen = partial(3, 0, data(SLOT, 1));
    assert!(jobs(&operator.step(set(2, SLOT, vec![stolen]))).is_empty());
    assert!(jobs(&operator.step(partials(4, &[0], data(SLOT, 1)))).is_empty(), "own and one other");
    assert_eq!(jobs(&operator.step(partials(2, &[0], data(SLOT, 1)))).len(), 1);
}

#[test]
fn a_peer_without_a_place_in_the_cluster_counts_for_nothing() {
    let mut operator = signed(1);
    let stranger = PartialAttestation { share: share(9), ..partial(2, 0, data(SLOT, 1)) };
    assert_eq!(blamed(&operator.step(set(9, SLOT, vec![stranger]))).len(), 1);
    assert!(
        operator.step(set(1, SLOT, vec![partial(1, 0, data(SLOT, 2))])).is_empty(),
        "our own come from our signer"
    );
}

#[test]
fn thousands_of_bad_entries_are_one_report_of_each_kind() {
    let mut operator = signed(1);
    let mut entries = Vec::new();
    for at in 0..2_000_u64 {
        let mut bad = partial(2, 0, data(SLOT, 1));
        match at % 3 {
            0 => bad.share = share(3),
            1 => bad.validator = ValidatorPubkey::new([8; 48]),
            _ => bad.data.slot = Slot::new(SLOT + at),
        }
        entries.push(bad);
    }
    assert_eq!(blamed(&operator.step(set(2, SLOT, entries))).len(), 3);
}

#[test]
fn of_two_partials_of_one_share_the_first_stays_and_the_second_is_a_fault() {
    for (name, second, proved) in [
        ("another vote", partial(2, 0, data(SLOT, 2)), true),
        ("the same vote signed in another way", forged(2, 0), false),
    ] {
        let mut operator = signed(1);
        assert!(blamed(&operator.step(partials(2, &[0], data(SLOT, 1)))).is_empty());
        assert!(blamed(&operator.step(partials(2, &[0], data(SLOT, 1)))).is_empty(), "a repetition is none");
        let outputs = operator.step(set(2, SLOT, vec![second]));
        let proof = |output: &Output| match output {
            Output::Report(Report::Equivocated { operator: who, proof, .. }) if *who == share(2).operator() => {
                Some(proof.clone())
            }
            _ => None,
        };
        let proofs: Vec<_> = outputs.iter().filter_map(proof).collect();
        let signed_data = |partial: PartialAttestation| {
            let root = vote_of(&spec(), &partial.data).unwrap().root;
            Box::new(SignedData { data: partial.data, root, signature: partial.signature })
        };
        if proved {
            let validator = second.validator;
            let (first, second) = (signed_data(partial(2, 0, data(SLOT, 1))), signed_data(second));
            let proof = Equivocation::Partials { validator, share: share(2), first, second };
            assert_eq!(proofs, [proof], "{name}");
        } else {
            let offence = format!("sent two different signatures of one message for {}", duty(SLOT));
            assert_eq!((blamed(&outputs), proofs), (vec![(2, &*offence)], vec![]), "{name}");
        }
        let outputs = operator.step(partials(3, &[0], data(SLOT, 1)));
        assert_eq!(shares_of(jobs(&outputs)[0]), [1, 2, 3], "{name}");
        assert_eq!(submissions(&operator.combine_all(outputs)).len(), 1, "{name}");
    }
}

#[test]
fn an_invalid_partial_is_blamed_and_the_next_takes_its_place() {
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    for (name, bad) in [
        ("of another message", forged(2, 0)),
        ("no point at all", garbage(2, [0xff; 96])),
        ("zeros", garbage(2, [0; 96])),
        ("the point at infinity", garbage(2, infinity)),
    ] {
        let mut operator = signed(1);
        let _ = operator.step(set(2, SLOT, vec![bad]));
        let first = operator.step(partials(3, &[0], data(SLOT, 1)));
        assert_eq!(shares_of(jobs(&first)[0]), [1, 2, 3], "{name}");
        let outputs = operator.combine_all(first);
        assert_eq!(
            blamed(&outputs),
            [(2, &*format!("sent an invalid partial signature for {}", duty(SLOT)))],
            "{name}"
        );
        assert!(submissions(&outputs).is_empty(), "{name}");

        let again = operator.step(set(2, SLOT, vec![partial(2, 0, data(SLOT, 1))]));
        assert!(jobs(&again).is_empty(), "{name}: who forged once gets no second check");
        let outputs = operator.step(partials(4, &[0], data(SLOT, 1)));
        assert_eq!(shares_of(jobs(&outputs)[0]), [1, 3, 4], "{name}");
        let whole = submissions(&operator.combine_all(outputs));
        assert_eq!(whole[0].signature, group_signature(0, &data(SLOT, 1)), "{name}");
        let _ = operator.taken(SLOT, 1);
        assert_eq!(operator.verdict(SLOT), (None, vec![share(1), share(3), share(4)]), "{name}");
    }
}

#[test]
fn a_forger_costs_one_more_combination_and_not_the_validators_that_it_signed_well() {
    let mut operator = signed(3);
    let mixed = vec![partial(2, 0, data(SLOT, 1)), forged(2, 1), partial(2, 2, data(SLOT, 1))];
    let _ = operator.step(set(2, SLOT, mixed));
    let first = operator.step(partials(3, &[0, 1, 2], data(SLOT, 1)));
    let late = operator.step(partials(4, &[0, 1, 2], data(SLOT, 1)));
    assert!(jobs(&late).is_empty(), "one combination at a time");
    let outputs = operator.combine_all(first);
    let sizes: Vec<_> = jobs(&outputs).iter().map(|job| job.validators.len()).collect();
    assert_eq!(sizes, [3, 1]);
    assert_eq!(submissions(&outputs).len(), 3);
    assert_eq!(blamed(&outputs).len(), 1);
}

#[test]
fn a_worthless_partial_of_our_own_is_found_out_and_replaced() {
    let mut operator = Operator::on_duty(SLOT, 1);
    let decided = operator.decide(SLOT, &value(SLOT, 1, 1));
    let mut reply = sign(&requests(&decided)[0]);
    reply.signatures[0].1 = Ok(forged(1, 0).signature);
    let _ = operator.step(Input::Signed(reply));
    let _ = operator.step(partials(2, &[0], data(SLOT, 1)));
    let outputs = operator.step(partials(3, &[0], data(SLOT, 1)));
    let outputs = operator.combine_all(outputs);
    assert_eq!(jobs(&outputs).len(), 2, "once in good faith, once with a check");
    assert_eq!(blamed(&outputs)[0].0, 1);
    let outputs = operator.step(partials(4, &[0], data(SLOT, 1)));
    assert_eq!(submissions(&operator.combine_all(outputs)).len(), 1);
}

#[test]
fn partials_that_verify_but_make_no_group_signature_are_not_combined_for_ever() {
    // A lock whose group key is that of another validator.
    let mut muddled = cluster(1);
    muddled.validators.get_mut(&validator(0)).unwrap().group = cluster(2).validators[&validator(1)].group;
    let mut operator = Operator::new(muddled);
    operator.knows_duties(SLOT, 1);
    let _ = operator.begin(SLOT);
    let mut outputs = operator.decide_and_sign(SLOT, &value(SLOT, 1, 1));
    for from in [2, 3] {
        outputs.extend(operator.step(partials(from, &[0], data(SLOT, 1))));
    }
    let outputs = operator.combine_all(outputs);
    assert_eq!(jobs(&outputs).len(), 2);
    assert!(blamed(&outputs).is_empty(), "nobody did wrong");
    assert!(submissions(&outputs).is_empty());
    assert!(jobs(&operator.step(partials(4, &[0], data(SLOT, 1)))).is_empty());
    assert_eq!(operator.verdict(SLOT).0.unwrap().code, "bug_sig_agg");
}

#[test]
fn an_outcome_that_says_nothing_about_a_validator_ends_the_matter() {
    let mut operator = signed(1);
    let _ = operator.step(partials(2, &[0], data(SLOT, 1)));
    let mut outputs = operator.step(partials(3, &[0], data(SLOT, 1)));
    for _ in 0..2 {
        assert_eq!(jobs(&outputs).len(), 1);
        let outcome = SlotOutcome { signatures: vec![], invalid: vec![(7, share(2)), (0, share(9))] };
        outputs = operator.step(Input::Combined { duty: duty(SLOT), outcome });
    }
    assert!(outputs.is_empty(), "{outputs:?}");
}

#[test]
fn partials_of_different_votes_are_never_mixed() {
    let mut operator = signed(1);
    assert!(jobs(&operator.step(partials(2, &[0], data(SLOT, 2)))).is_empty());
    assert!(jobs(&operator.step(partials(3, &[0], data(SLOT, 2)))).is_empty(), "three shares, two votes");
    let outputs = operator.step(partials(4, &[0], data(SLOT, 2)));
    assert_eq!(shares_of(jobs(&outputs)[0]), [2, 3, 4]);
    let whole = submissions(&operator.combine_all(outputs));
    assert_eq!((whole[0].data, whole[0].signature), (data(SLOT, 2), group_signature(0, &data(SLOT, 2))));
}

#[test]
fn validators_that_signed_different_votes_are_combined_one_vote_after_the_other() {
    let votes = [(0, data(SLOT, 1)), (1, data(SLOT, 2))];
    let mut operator = Operator::on_duty(SLOT, 2);
    let mut outputs = operator.decide_and_sign(SLOT, &value_of(&votes));
    for from in [2, 3] {
        let mixed = votes.iter().map(|(position, data)| partial(from, *position, *data)).collect();
        outputs.extend(operator.step(set(from, SLOT, mixed)));
    }
    let outputs = operator.combine_all(outputs);
    assert_eq!(jobs(&outputs).iter().map(|job| job.validators.len()).collect::<Vec<_>>(), [1, 1]);
    assert_ne!(jobs(&outputs)[0].root, jobs(&outputs)[1].root);
    assert_eq!(submissions(&outputs).len(), 2);
}

#[test]
fn our_own_partial_is_used_first_and_not_checked() {
    let mut operator = signed(1);
    let _ = operator.step(partials(4, &[0], data(SLOT, 1)));
    let outputs = operator.step(partials(2, &[0], data(SLOT, 1)));
    let job = jobs(&outputs)[0];
    assert_eq!(shares_of(job), [1, 2, 4]);
    let standings: Vec<_> = job.validators[0].partials.iter().map(|partial| partial.standing).collect();
    assert_eq!(standings, [Standing::Own, Standing::Unchecked, Standing::Unchecked]);
}

#[test]
fn the_partials_of_three_peers_are_enough_without_ours() {
    let mut operator = Operator::on_duty(SLOT, 1);
    for from in [2, 3] {
        assert!(jobs(&operator.step(partials(from, &[0], data(SLOT, 1)))).is_empty());
    }
    let outputs = operator.step(partials(4, &[0], data(SLOT, 1)));
    assert_eq!(submissions(&operator.combine_all(outputs)).len(), 1);
    let _ = operator.taken(SLOT, 1);
    assert_eq!(operator.verdict(SLOT).0, None);
}

#[test]
fn peers_may_send_their_partials_one_validator_at_a_time() {
    let mut operator = signed(3);
    let mut outputs = Vec::new();
    for position in 0..3 {
        for from in [2, 3] {
            outputs.extend(operator.step(partials(from, &[position], data(SLOT, 1))));
        }
    }
    assert_eq!(submissions(&operator.combine_all(outputs)).len(), 3);
}

#[test]
fn late_partials_count_as_seen_and_cost_nothing() {
    let mut operator = signed(1);
    let mut outputs = operator.step(partials(2, &[0], data(SLOT, 1)));
    outputs.extend(operator.step(partials(3, &[0], data(SLOT, 1))));
    let _ = operator.combine_all(outputs);
    let _ = operator.taken(SLOT, 1);
    assert!(operator.step(partials(4, &[0], data(SLOT, 1))).is_empty());
    assert_eq!(operator.verdict(SLOT), (None, vec![share(1), share(2), share(3), share(4)]));
}
