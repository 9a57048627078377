//! Bad participants. Each is named, with the rule that it broke, and no key comes of it.

use hearth_crypto::{Commitments, Polynomial, Proof, SecretKey};
use hearth_dkg::frost::{Cast, RoundOne};
use hearth_dkg::{Abort, Blame, Rule};
use hearth_types::Threshold;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::{begin, casts_of, exchange, operator, shares_from};

const VALIDATORS: usize = 2;
/// Position of the bad one.
const BAD: u8 = 2;

/// Four operators before anything was said.
fn rounds() -> Vec<RoundOne> {
    begin(4, 3, VALIDATORS, 9)
}

fn points(cast: &Cast) -> Vec<hearth_crypto::PublicKey> {
    cast.commitments.points().to_vec()
}

fn with_points(cast: &Cast, points: Vec<hearth_crypto::PublicKey>) -> Cast {
    Cast { commitments: Commitments::new(points).unwrap(), ..cast.clone() }
}

#[test]
fn who_casts_something_wrong_is_named_with_the_rule() {
    type Spoil = fn(&[RoundOne], &mut Vec<Cast>);
    let cases: [(&str, Spoil, Option<usize>, Rule); 9] = [
        ("too few casts", |_, casts| casts.truncate(1), None, Rule::Entries { found: 1, wanted: VALIDATORS }),
        (
            "too many casts",
            |_, casts| casts.push(casts[0].clone()),
            None,
            Rule::Entries { found: 3, wanted: VALIDATORS },
        ),
        (
            "a commitment less",
            |_, casts| casts[1] = with_points(&casts[1], points(&casts[1])[..2].to_vec()),
            Some(1),
            Rule::Degree { found: 2, wanted: 3 },
        ),
        (
            "a commitment more",
            |_, casts| {
                let more = [points(&casts[0]), vec![points(&casts[0])[1]]].concat();
                casts[0] = with_points(&casts[0], more);
            },
            Some(0),
            Rule::Degree { found: 4, wanted: 3 },
        ),
        (
            "another secret than the proof's",
            |_, casts| {
                let mut points = points(&casts[1]);
                points.swap(0, 1);
                casts[1] = with_points(&casts[1], points);
            },
            Some(1),
            Rule::Proof,
        ),
        ("the proof of another validator", |_, casts| casts[0].proof = casts[1].proof, Some(0), Rule::Proof),
        (
            "another operator's cast, with its proof",
            |rounds, casts| casts[1] = casts_of(&rounds[1])[1].clone(),
            Some(1),
            Rule::Proof,
        ),
        ("our own cast, with its proof", |rounds, casts| *casts = casts_of(&rounds[0]), Some(0), Rule::Proof),
        ("one validator's cast twice", |_, casts| casts[1] = casts[0].clone(), Some(1), Rule::Repeated),
    ];
    for (name, spoil, validator, rule) in cases {
        let mut rounds = rounds();
        let honest = casts_of(&rounds[1]);
        rounds[0].take_casts(operator(1), honest).unwrap();
        let mut casts = casts_of(&rounds[usize::from(BAD)]);
        spoil(&rounds, &mut casts);
        let named = rounds[0].take_casts(operator(BAD), casts);
        assert_eq!(named, Err(Blame { culprit: operator(BAD), validator, rule }), "{name}");
        assert!(rounds[0].awaited().any(|awaited| awaited == operator(BAD)), "{name}: it is not taken");
    }
}

#[test]
fn a_proof_from_an_earlier_ceremony_brings_nothing_without_the_shares_to_it() {
    // What binds a proof is its owner, so an old cast of its own passes. The secret behind it, and so the shares, have to be known.
    let old = casts_of(&begin(4, 3, VALIDATORS, 8)[usize::from(BAD)]);
    let mut rounds = exchange_with(
        |_, from, casts| {
            if from == BAD {
                *casts = old.clone()
            }
        },
        |_, _, _| {},
    );
    let failed = rounds.swap_remove(0).finish().map(|_| ());
    let blame = Blame { culprit: operator(BAD), validator: Some(0), rule: Rule::Share };
    assert_eq!(failed, Err(Abort::Blamed(blame)));
}

/// A first round in which casts and shares are spoiled on their way: by receiver, sender and content.
fn exchange_with(
    casts_on_the_way: impl Fn(u8, u8, &mut Vec<Cast>),
    shares_on_the_way: impl Fn(u8, u8, &mut Vec<SecretKey>),
) -> Vec<RoundOne> {
    let mut rounds = rounds();
    for to in 0..4_u8 {
        for from in (0..4).filter(|from| *from != to) {
            let sender = &rounds[usize::from(from)];
            let (mut casts, mut shares) = (casts_of(sender), shares_from(sender, operator(to)));
            casts_on_the_way(to, from, &mut casts);
            shares_on_the_way(to, from, &mut shares);
            let receiver = &mut rounds[usize::from(to)];
            receiver.take_casts(operator(from), casts).unwrap();
            receiver.take_shares(operator(from), shares).unwrap();
        }
    }
    rounds
}

#[test]
fn who_sends_a_share_off_its_polynomial_is_named_by_whoever_got_it_and_by_nobody_else() {
    type Spoil = fn(&mut Vec<SecretKey>);
    let cases: [(&str, Spoil, usize); 2] = [
        ("a share of another validator", |shares| shares.swap(0, 1), 0),
        ("a random number", |shares| shares[1] = SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(1)), 1),
    ];
    for (name, spoil, validator) in cases {
        let rounds = exchange_with(
            |_, _, _| {},
            |to, from, shares| {
                if (to, from) == (1, BAD) {
                    spoil(shares);
                }
            },
        );
        for (me, round) in (0..).zip(rounds) {
            let blame = Blame { culprit: operator(BAD), validator: Some(validator), rule: Rule::Share };
            let expected = if me == 1 { Err(Abort::Blamed(blame)) } else { Ok(()) };
            assert_eq!(round.finish().map(|_| ()), expected, "{name}, operator {me}");
        }
    }
}

#[test]
fn a_share_meant_for_another_operator_is_off_the_polynomial_here() {
    let elsewhere = shares_from(&rounds()[usize::from(BAD)], operator(3));
    let mut rounds = rounds();
    for from in 1..4 {
        let (casts, shares) =
            (casts_of(&rounds[usize::from(from)]), shares_from(&rounds[usize::from(from)], operator(0)));
        rounds[0].take_casts(operator(from), casts).unwrap();
        let copy = |share: &SecretKey| SecretKey::from_bytes(&share.to_bytes()).unwrap();
        let shares = if from == BAD { elsewhere.iter().map(copy).collect() } else { shares };
        rounds[0].take_shares(operator(from), shares).unwrap();
    }
    let failed = rounds.swap_remove(0).finish().map(|_| ());
    let blame = Blame { culprit: operator(BAD), validator: Some(0), rule: Rule::Share };
    assert_eq!(failed, Err(Abort::Blamed(blame)));
}

#[test]
fn shares_for_too_few_validators_are_refused() {
    let mut rounds = rounds();
    let mut shares = shares_from(&rounds[1], operator(0));
    shares.pop();
    let rule = Rule::Entries { found: 1, wanted: VALIDATORS };
    let blame = Blame { culprit: operator(1), validator: None, rule };
    assert_eq!(rounds[0].take_shares(operator(1), shares), Err(blame));
}

#[test]
fn of_each_operator_the_first_message_counts_and_nobody_speaks_for_us() {
    let mut rounds = rounds();
    let (honest, other) = (casts_of(&rounds[1]), casts_of(&begin(4, 3, VALIDATORS, 8)[1]));
    rounds[0].take_casts(operator(1), honest).unwrap();
    rounds[0].take_casts(operator(1), vec![]).unwrap();
    rounds[0].take_casts(operator(1), other.clone()).unwrap();
    let before = casts_of(&rounds[0]);
    rounds[0].take_casts(operator(0), other.clone()).unwrap();
    rounds[0].take_casts(operator(4), other).unwrap();
    assert_eq!(casts_of(&rounds[0]), before);
    let rounds = exchange(rounds);
    assert!(rounds.into_iter().all(|round| round.finish().is_ok()));
}

/// Two operators who were told different things by a third come to different keys, and see it.
#[test]
fn who_commits_to_different_secrets_before_different_operators_brings_no_key_about() {
    let other = begin(4, 3, VALIDATORS, 8);
    let bad = &other[usize::from(BAD)];
    let rounds = exchange_with(
        |to, from, casts| {
            if (to, from) == (1, BAD) {
                *casts = casts_of(bad);
            }
        },
        |to, from, shares| {
            if (to, from) == (1, BAD) {
                *shares = shares_from(bad, operator(1));
            }
        },
    );
    let mut second: Vec<_> = rounds.into_iter().map(|round| round.finish().unwrap()).collect();
    let claims = second[1].claims();
    let named = second[0].take_claims(operator(1), &claims);
    assert_eq!(
        named,
        Err(Blame { culprit: operator(1), validator: Some(0), rule: Rule::GroupKey }),
        "whoever was lied to cannot be told from a liar; what is sure is that no key is made"
    );
}

#[test]
fn who_claims_what_does_not_follow_is_named() {
    let rounds = exchange(rounds());
    let mut second: Vec<_> = rounds.into_iter().map(|round| round.finish().unwrap()).collect();
    let claims = second[usize::from(BAD)].claims();
    let others = second[3].claims();
    let mut swapped = claims.clone();
    swapped.swap(0, 1);
    let mut of_another = claims.clone();
    of_another[1].share = others[1].share;
    let few = claims[..1].to_vec();
    let entries = Rule::Entries { found: 1, wanted: VALIDATORS };
    for (name, spoiled, validator, rule) in [
        ("validators in another order", swapped, Some(0), Rule::GroupKey),
        ("another operator's public share", of_another, Some(1), Rule::PublicShare),
        ("too few", few, None, entries),
    ] {
        let named = second[0].take_claims(operator(BAD), &spoiled);
        assert_eq!(named, Err(Blame { culprit: operator(BAD), validator, rule }), "{name}");
    }
    second[0].take_claims(operator(BAD), &claims).unwrap();
}

#[test]
fn a_proof_of_the_wrong_owner_or_with_a_challenge_of_zero_does_not_hold() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let polynomial = Polynomial::random(Threshold::new(2, 3).unwrap(), &mut rng);
    let key = *polynomial.commitments().of_secret().unwrap();
    let proof = Proof::make(operator(0).share(), &polynomial, SecretKey::generate(&mut rng)).unwrap();
    assert!(proof.holds(operator(0).share(), &key));
    assert!(!proof.holds(operator(1).share(), &key));
    assert!(!proof.holds(operator(0).share(), &SecretKey::generate(&mut rng).public_key()));
    let zero = Proof::from_bytes([0; 32], *proof.response()).unwrap();
    assert!(!zero.holds(operator(0).share(), &key));
}

#[test]
fn a_blame_says_who_broke_which_rule_for_which_validator() {
    let blame = Blame { culprit: operator(2), validator: Some(4), rule: Rule::Share };
    assert_eq!(
        Abort::from(blame).to_string(),
        "operator 3 sent a share that does not lie on its polynomial (validator 4)"
    );
}
