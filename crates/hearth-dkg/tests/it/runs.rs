//! Ceremonies of honest operators.

use hearth_crypto::threshold::{recombine, recombine_public};
use hearth_dkg::Abort;
use hearth_dkg::frost::RoundOne;
use hearth_types::SigningRoot;
use proptest::prelude::*;

use crate::{begin, casts_of, confirm, exchange, operator, shares_from};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_end_with_the_same_keys_and_any_threshold_of_them_signs_for_each(
        (operators, threshold) in (2_u8..8).prop_flat_map(|n| (Just(n), 2..=u64::from(n))),
        validators in 1_usize..4,
        seed in any::<u32>(),
        first in any::<prop::sample::Index>(),
    ) {
        let rounds = exchange(begin(operators, threshold, validators, seed.into()));
        let made = confirm(rounds.into_iter().map(|round| round.finish().unwrap()).collect());
        let root = SigningRoot::new([7; 32]);
        for validator in 0..validators {
            let keys: Vec<_> = made.iter().map(|keys| &keys[validator]).collect();
            for (position, key) in keys.iter().enumerate() {
                prop_assert_eq!(key.group, keys[0].group);
                prop_assert_eq!(&key.public_shares, &keys[0].public_shares);
                prop_assert_eq!(key.share.public_key(), key.public_shares[position]);
            }
            let count = keys.len();
            let first = first.index(count);
            let some = |wanted: usize| -> Vec<_> {
                let chosen = (0..wanted).map(|step| (first + step) % count);
                chosen.map(|at| (operator(at as u8).share(), keys[at].share.sign(&root))).collect()
            };
            let whole = recombine(&some(threshold as usize)).unwrap();
            prop_assert!(whole.verify(&keys[0].group, &root));
            let too_few = recombine(&some(threshold as usize - 1)).unwrap();
            prop_assert!(!too_few.verify(&keys[0].group, &root));
            let publics: Vec<_> =
                (0..threshold as usize).map(|at| (operator(at as u8).share(), keys[0].public_shares[at])).collect();
            prop_assert_eq!(recombine_public(&publics).unwrap(), keys[0].group);
        }
        let groups: std::collections::BTreeSet<_> = made[0].iter().map(|key| key.group).collect();
        prop_assert_eq!(groups.len(), validators);
    }
}

#[test]
fn the_same_seed_makes_the_same_part_and_another_seed_another() {
    let part = |seed| casts_of(&begin(4, 3, 3, seed)[0]);
    assert_eq!(part(1), part(1));
    assert_ne!(part(1), part(2));
}

#[test]
fn nothing_is_finished_before_everybody_was_heard() {
    let mut rounds = begin(3, 2, 1, 1);
    let (casts, shares) = (casts_of(&rounds[1]), shares_from(&rounds[1], operator(0)));
    rounds[0].take_casts(operator(1), casts).unwrap();
    assert_eq!(rounds[0].awaited().collect::<Vec<_>>(), [operator(1), operator(2)]);
    rounds[0].take_shares(operator(1), shares).unwrap();
    assert_eq!(rounds[0].awaited().collect::<Vec<_>>(), [operator(2)]);
    let early = rounds.swap_remove(0).finish().map(|_| ());
    assert_eq!(early, Err(Abort::Unheard(operator(2))));

    let rounds = exchange(begin(3, 2, 1, 1));
    let mut second: Vec<_> = rounds.into_iter().map(|round| round.finish().unwrap()).collect();
    let claims = second[2].claims();
    second[0].take_claims(operator(2), &claims).unwrap();
    assert_eq!(second.swap_remove(0).finish().map(|_| ()), Err(Abort::Unheard(operator(1))));
}

#[test]
fn a_part_that_was_kept_goes_on_where_it_was() {
    let rounds = begin(3, 2, 2, 5);
    let resumed = rounds
        .iter()
        .zip(0_u8..)
        .map(|(round, me)| {
            let made = (0..3).map(|to| (operator(to), shares_from(round, operator(to))));
            RoundOne::resume(crate::terms(me, 3, 2, 2), casts_of(round), made.collect())
        })
        .collect();
    let group = |rounds: Vec<RoundOne>| {
        let second = exchange(rounds).into_iter().map(|round| round.finish().unwrap()).collect();
        confirm(second)[0].iter().map(|key| key.group).collect::<Vec<_>>()
    };
    assert_eq!(group(resumed), group(rounds));
}
