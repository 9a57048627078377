//! The other way to make keys: transcripts derived from the specification, and runs with operators who do not do their part.

use hearth_crypto::{Polynomial, PublicKey, SecretKey, Signature, open_share, seal_share, threshold};
use hearth_dkg::frost::{MadeKey, Terms};
use hearth_dkg::pedersen::{
    Bundle, Deal, DealBundle, Fault, JustificationBundle, NoKey, Response, ResponseBundle, Run, Session, Step,
};
use hearth_types::{OperatorIndex, SigningRoot};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;

use crate::vectors::{bytes, list, number, secret, shared};
use crate::{operator, terms};

/// Keys of the ceremony.
fn keys(operators: u8) -> (Vec<SecretKey>, Vec<PublicKey>) {
    let keys: Vec<_> = (1..=operators).map(|number| SecretKey::from_bytes(&[number; 32]).unwrap()).collect();
    let public = keys.iter().map(SecretKey::public_key).collect();
    (keys, public)
}

fn copy(key: &SecretKey) -> SecretKey {
    SecretKey::from_bytes(&key.to_bytes()).unwrap()
}

/// A run of everybody, with what each has dealt.
struct Circle {
    keys: Vec<SecretKey>,
    runs: Vec<Run>,
    deals: Vec<DealBundle>,
}

impl Circle {
    fn new(operators: u8, needed: u64, seed: u64) -> Self {
        let (keys, public) = keys(operators);
        let begin = |me: u8| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed * 1_000 + u64::from(me));
            let own = copy(&keys[usize::from(me)]);
            Run::begin(terms(me, operators, needed, 1), (own, public.clone()), 0, &mut rng).unwrap()
        };
        let (runs, deals) = (0..operators).map(begin).unzip();
        Self { keys, runs, deals }
    }

    /// Signs deals anew after a change.
    fn redeal(&mut self, dealer: usize, change: impl FnOnce(&mut DealBundle)) {
        let bundle = &mut self.deals[dealer];
        change(bundle);
        bundle.signature = self.keys[dealer].sign_message(&bundle.hash());
    }

    /// Deals are heard by all but the dealer; `lost` says between whom they are not.
    fn hear_deals(&mut self, lost: impl Fn(usize, usize) -> bool) {
        for (at, run) in self.runs.iter_mut().enumerate() {
            for (dealer, bundle) in self.deals.iter().enumerate() {
                if dealer != at && !lost(dealer, at) {
                    run.hear(Bundle::Deals(bundle.clone()));
                }
            }
        }
    }

    fn respond(&mut self) -> Vec<ResponseBundle> {
        let step = |run: &mut Run| match run.step(true).unwrap() {
            Step::Responds(bundle) => bundle,
            other => panic!("{other:?}"),
        };
        self.runs.iter_mut().map(step).collect()
    }

    fn hear_responses(&mut self, responses: &[ResponseBundle]) {
        for (at, run) in self.runs.iter_mut().enumerate() {
            for (_, bundle) in responses.iter().enumerate().filter(|(holder, _)| *holder != at) {
                run.hear(Bundle::Responses(bundle.clone()));
            }
        }
    }
}

/// All have the same key, and any of them that are needed sign with it.
fn sound(keys: &[MadeKey], needed: usize) {
    let group = keys[0].group;
    for key in keys {
        assert_eq!((key.group, &key.public_shares), (group, &keys[0].public_shares));
    }
    let root = SigningRoot::new([9; 32]);
    let signers: Vec<(OperatorIndex, Signature)> = keys
        .iter()
        .filter_map(|key| {
            let at = key.public_shares.iter().position(|share| *share == key.share.public_key())?;
            Some((operator(u8::try_from(at).unwrap()), key.share.sign(&root)))
        })
        .collect();
    assert_eq!(signers.len(), keys.len(), "every share has its public share");
    let partials: Vec<_> = signers.iter().rev().take(needed).map(|(who, sign)| (who.share(), *sign)).collect();
    assert!(threshold::recombine(&partials).unwrap().verify(&group, &root));
}

fn done(step: Step) -> MadeKey {
    match step {
        Step::Done(key) => *key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn operators_who_do_their_part_have_a_key_after_two_phases() {
    for (operators, needed) in [(3, 2), (4, 3), (7, 5)] {
        let mut circle = Circle::new(operators, needed, 1);
        assert!(matches!(circle.runs[0].step(false), Ok(Step::Waits)), "nobody was heard");
        circle.hear_deals(|_, _| false);
        let responses = circle.respond();
        assert!(matches!(circle.runs[0].step(false), Ok(Step::Waits)), "nobody has responded");
        circle.hear_responses(&responses);
        let made: Vec<_> = circle.runs.iter_mut().map(|run| done(run.step(false).unwrap())).collect();
        sound(&made, usize::try_from(needed).unwrap());
        let claim = made[1].share.public_key();
        assert_eq!(Run::check_public_share(&made[0], operator(1), &claim), Ok(()));
        assert_eq!(Run::check_public_share(&made[0], operator(2), &claim), Err(Fault::PublicShare));
    }
}

#[test]
fn a_wrong_share_that_is_put_right_does_no_harm() {
    let mut circle = Circle::new(4, 3, 2);
    let wrong = SecretKey::from_bytes(&[0x55; 32]).unwrap();
    let to = circle.keys[2].public_key();
    circle.redeal(0, |bundle| {
        let deal = bundle.deals.iter_mut().find(|deal| deal.to == 2).unwrap();
        deal.sealed = seal_share(&wrong, &to, &wrong).unwrap();
    });
    circle.hear_deals(|_, _| false);
    let responses = circle.respond();
    let said =
        |holder: usize| responses[holder].responses.iter().map(|response| response.good).collect::<Vec<_>>();
    assert_eq!((said(2), said(1)), (vec![false, true, true, true], vec![true; 4]));
    circle.hear_responses(&responses);
    let mut put_right = Vec::new();
    for run in &mut circle.runs {
        let Step::Justifies(bundle) = run.step(false).unwrap() else { panic!("somebody has complained") };
        put_right.push(bundle);
    }
    assert!(put_right[1..].iter().all(Option::is_none));
    let bundle = put_right.remove(0).expect("the dealer justifies himself");
    assert_eq!(bundle.shares.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [2]);
    for run in circle.runs.iter_mut().skip(1) {
        assert!(matches!(run.step(false), Ok(Step::Waits)), "for the dealer");
        let shares = bundle.shares.iter().map(|(to, share)| (*to, copy(share))).collect();
        let copied =
            JustificationBundle { shares, ..JustificationBundle { shares: Vec::new(), ..bundle_of(&bundle) } };
        run.hear(Bundle::Justification(copied));
    }
    let made: Vec<_> = circle.runs.iter_mut().map(|run| done(run.step(false).unwrap())).collect();
    sound(&made, 3);
}

fn bundle_of(bundle: &JustificationBundle) -> JustificationBundle {
    JustificationBundle {
        dealer: bundle.dealer,
        shares: Vec::new(),
        session: bundle.session,
        signature: bundle.signature,
    }
}

/// What became of a run for one operator, and whom he left out.
type End = (Result<MadeKey, NoKey>, Vec<(OperatorIndex, Fault)>);

/// Runs a circle in which operator 1 misbehaves, to its end, with nobody putting anything right. What became of the others.
fn with_one_bad(change: impl FnOnce(&mut Circle)) -> Vec<End> {
    let mut circle = Circle::new(4, 3, 3);
    change(&mut circle);
    circle.hear_deals(|_, _| false);
    let responses = circle.respond();
    circle.hear_responses(&responses);
    let mut ends = Vec::new();
    for run in circle.runs.iter_mut().enumerate().filter(|(at, _)| *at != 1).map(|(_, run)| run) {
        let end = loop {
            match run.step(true) {
                Ok(Step::Done(key)) => break Ok(*key),
                Ok(_) => {}
                Err(why) => break Err(why),
            }
        };
        ends.push((end, run.faults().collect()));
    }
    ends
}

#[test]
fn a_dealer_who_breaks_a_rule_is_left_out_and_named_and_the_others_have_a_key_without_him() {
    type Change = fn(&mut DealBundle);
    let changes: [(&str, Fault, Change); 5] = [
        ("too short", Fault::Degree { found: 2, wanted: 3 }, |bundle| bundle.public.truncate(2)),
        ("too long", Fault::Degree { found: 4, wanted: 3 }, |bundle| bundle.public.push(bundle.public[0])),
        ("another run", Fault::DealsOfAnotherRun, |bundle| bundle.session = Session::from_bytes([1; 32])),
        ("a stranger", Fault::Receiver, |bundle| {
            let sealed = bundle.deals[0].sealed;
            bundle.deals.push(Deal { to: 9, sealed });
        }),
        ("another's polynomial", Fault::Share, |bundle| bundle.public.swap(0, 1)),
    ];
    for (name, fault, change) in changes {
        let ends = with_one_bad(|circle| circle.redeal(1, change));
        let mut made = Vec::new();
        for (end, faults) in ends {
            assert_eq!(faults, [(operator(1), fault)], "{name}");
            made.push(end.unwrap_or_else(|why| panic!("{name}: {why}")));
        }
        sound(&made, 3);
    }
}

#[test]
fn who_deals_two_different_things_has_dealt_nothing() {
    let mut circle = Circle::new(4, 3, 4);
    let other = Circle::new(4, 3, 5).deals[1].clone();
    circle.hear_deals(|_, _| false);
    for at in [0, 2, 3] {
        circle.runs[at].hear(Bundle::Deals(other.clone()));
    }
    let responses = circle.respond();
    circle.hear_responses(&responses);
    for at in [0, 2, 3] {
        while !matches!(circle.runs[at].step(true).unwrap(), Step::Done(_)) {}
        assert_eq!(circle.runs[at].faults().collect::<Vec<_>>(), [(operator(1), Fault::NoDeals)]);
    }
}

#[test]
fn what_the_author_has_not_signed_is_not_heard() {
    let mut circle = Circle::new(4, 3, 6);
    let mut forged = circle.deals[1].clone();
    forged.public.swap(0, 1);
    circle.runs[0].hear(Bundle::Deals(forged));
    let mut foreign = circle.deals[1].clone();
    foreign.dealer = operator(9);
    circle.runs[0].hear(Bundle::Deals(foreign));
    assert_eq!(circle.runs[0].awaited(), [1, 2, 3].map(operator));
    let genuine = circle.deals[1].clone();
    circle.runs[0].hear(Bundle::Deals(genuine.clone()));
    circle.runs[0].hear(Bundle::Deals(genuine));
    assert_eq!(circle.runs[0].awaited(), [2, 3].map(operator), "a repeat does no harm");
}

#[test]
fn with_two_of_four_silent_there_is_no_key_and_both_are_named() {
    let mut circle = Circle::new(4, 3, 7);
    circle.hear_deals(|dealer, _| dealer > 1);
    let responses = circle.respond();
    circle.hear_responses(&responses[..2]);
    for at in [0, 1] {
        let why = loop {
            match circle.runs[at].step(true) {
                Ok(Step::Done(_)) => panic!("there is no key"),
                Ok(_) => {}
                Err(why) => break why,
            }
        };
        let text = why.to_string();
        // Nobody is known to have a share of anybody's: all rows lack two.
        assert!(text.contains("operator 3") && text.contains("operator 4"), "{text}");
    }
}

#[test]
fn a_response_about_a_stranger_and_a_false_justification_leave_their_author_out() {
    let mut circle = Circle::new(4, 3, 8);
    circle.hear_deals(|_, _| false);
    let mut responses = circle.respond();
    responses[1].responses.push(Response { dealer: 7, good: true });
    responses[1].signature = circle.keys[1].sign_message(&responses[1].hash());
    circle.hear_responses(&responses);
    assert!(matches!(circle.runs[0].step(true), Ok(Step::Justifies(_))));
    let session = circle.runs[0].session();
    let shares = vec![(0, SecretKey::from_bytes(&[3; 32]).unwrap())];
    let mut lie =
        JustificationBundle { dealer: operator(2), shares, session, signature: responses[1].signature };
    lie.signature = circle.keys[2].sign_message(&lie.hash());
    circle.runs[0].hear(Bundle::Justification(lie));
    let end = circle.runs[0].step(true);
    let faults: Vec<_> = circle.runs[0].faults().collect();
    assert_eq!(faults[..2], [(operator(1), Fault::Response), (operator(2), Fault::Justification)]);
    assert!(matches!(end, Err(NoKey::TooFew { needed: 3, .. })), "{end:?}");
}

#[test]
fn the_transcript_of_the_specification_is_followed_byte_for_byte() {
    let Some(file) = shared("pedersen-2-of-3-fresh.json") else { return };
    let nodes = list(&file["nodes"]);
    let keys: Vec<_> = nodes.iter().map(|node| secret(&node["longterm_secret"])).collect();
    let public: Vec<_> = keys.iter().map(SecretKey::public_key).collect();
    for (key, node) in public.iter().zip(nodes) {
        assert_eq!(key.to_bytes(), bytes(&node["longterm_public"]));
    }
    for (validator, name) in [(0, "nonce_session_id"), (1, "nonce_iteration_1")] {
        assert_eq!(*Session::of(&public, validator).as_bytes(), bytes(&file[name]));
    }
    let begin = |(me, dealer): (u8, &Value)| {
        let coefficients = list(&dealer["coefficients"]).iter().map(secret).collect();
        let polynomial = Polynomial::from_coefficients(coefficients).unwrap();
        let ephemeral =
            list(&dealer["deals"]).iter().map(|deal| secret(&deal["ecies_ephemeral_scalar"])).collect();
        let own = copy(&keys[usize::from(me)]);
        let (run, bundle) =
            Run::with((terms(me, 3, 2, 1), 0), (own, public.clone()), polynomial, ephemeral).unwrap();
        assert_eq!(bundle.hash(), bytes(&dealer["bundle_hash"]));
        assert_eq!(*bundle.signature.to_bytes().as_bytes(), bytes::<96>(&dealer["bundle_signature"]));
        for (deal, told) in bundle.deals.iter().zip(list(&dealer["deals"])) {
            assert_eq!(
                (u64::from(deal.to), deal.sealed),
                (number(&told["share_index"]), bytes(&told["encrypted_share"]))
            );
            let opened = open_share(&deal.sealed, &keys[deal.to as usize]).unwrap();
            assert_eq!(*opened.to_bytes(), bytes(&told["plaintext_share"]));
        }
        (run, bundle)
    };
    let (mut runs, deals): (Vec<_>, Vec<_>) = (0..).zip(list(&file["dealers"])).map(begin).unzip();
    let mut responses = Vec::new();
    for (at, run) in runs.iter_mut().enumerate() {
        deals
            .iter()
            .enumerate()
            .filter(|(dealer, _)| *dealer != at)
            .for_each(|(_, bundle)| run.hear(Bundle::Deals(bundle.clone())));
        let Step::Responds(bundle) = run.step(false).unwrap() else { panic!("all have dealt") };
        let told = &file["responses_all_success"][at];
        assert_eq!(bundle.hash(), bytes(&told["bundle_hash"]));
        assert_eq!(*bundle.signature.to_bytes().as_bytes(), bytes::<96>(&told["bundle_signature"]));
        responses.push(bundle);
    }
    let told = &file["final"];
    for (at, run) in runs.iter_mut().enumerate() {
        responses
            .iter()
            .enumerate()
            .filter(|(holder, _)| *holder != at)
            .for_each(|(_, bundle)| run.hear(Bundle::Responses(bundle.clone())));
        let key = done(run.step(false).unwrap());
        assert_eq!(key.group.to_bytes(), bytes(&told["group_public_key"]));
        assert_eq!(*key.share.to_bytes(), bytes(&told["shares"][at.to_string()]));
        for (number, share) in key.public_shares.iter().enumerate() {
            assert_eq!(share.to_bytes(), bytes(&told["public_shares"][number.to_string()]));
        }
    }
    let told = &file["example_justification_hash"];
    let example = JustificationBundle {
        dealer: operator(u8::try_from(number(&told["dealer_index"])).unwrap()),
        shares: vec![(u32::try_from(number(&told["share_index"])).unwrap(), secret(&told["share"]))],
        session: Session::of(&public, 0),
        signature: deals[0].signature,
    };
    assert_eq!(example.hash(), bytes(&told["hash"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// Whatever bundles are lost, whoever has a key has the same as all others who have one.
    #[test]
    fn nobody_has_another_key_than_the_others(lost in proptest::collection::vec(any::<bool>(), 16), seed in 10_u64..1_000) {
        let mut circle = Circle::new(4, 3, seed);
        // Whole dealers are lost, to everybody: what one hears all hear, as a ceremony makes sure in the end.
        circle.hear_deals(|dealer, _| lost[dealer] && lost[dealer + 4]);
        let responses = circle.respond();
        circle.hear_responses(&responses);
        let mut made = Vec::new();
        for run in &mut circle.runs {
            loop {
                match run.step(true) {
                    Ok(Step::Done(key)) => break made.push(*key),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        if let Some(first) = made.first() {
            prop_assert!(made.iter().all(|key| key.group == first.group));
        }
    }

    #[test]
    fn sessions_tell_operators_and_validators_apart(operators in 3_u8..17, one in 0_u32..5, other in 0_u32..5) {
        let (_, public) = keys(operators);
        prop_assert_eq!(Session::of(&public, one) == Session::of(&public, other), one == other);
        prop_assert_ne!(Session::of(&public, one), Session::of(&public[1..], one));
    }
}

#[test]
fn a_run_is_begun_with_the_key_that_the_others_know() {
    let (own, public) = keys(4);
    let terms: Terms = terms(1, 4, 3, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    assert!(Run::begin(terms, (copy(&own[2]), public.clone()), 0, &mut rng).is_none());
    assert!(Run::begin(terms, (copy(&own[1]), public[..3].to_vec()), 0, &mut rng).is_none());
}
