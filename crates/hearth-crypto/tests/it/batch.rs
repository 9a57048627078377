//! Batches of signatures over one root.

use hearth_crypto::batch::{Claims, all_hold, all_interpolate, find_invalid};
use hearth_crypto::threshold::split;
use hearth_crypto::{PublicKey, SecretKey, Signature};
use hearth_types::{SigningRoot, Threshold};
use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::{OTHER_ROOT, ROOT, seeded};

fn signers(count: usize) -> (Vec<SecretKey>, Vec<(PublicKey, Signature)>) {
    let mut rng = seeded(count as u64);
    let keys: Vec<SecretKey> = (0..count).map(|_| SecretKey::generate(&mut rng)).collect();
    let claims = keys.iter().map(|key| (key.public_key(), key.sign(&ROOT))).collect();
    (keys, claims)
}

#[test]
fn a_batch_of_good_signatures_names_nobody() {
    for count in [0, 1, 2, 3, 31, 32, 33, 64, 200] {
        let (_, claims) = signers(count);
        assert_eq!(find_invalid(&ROOT, &claims, &mut seeded(1)), [0usize; 0], "{count}");
    }
}

#[test]
fn a_batch_over_another_root_names_everybody() {
    for count in [1, 2, 3, 17] {
        let (_, claims) = signers(count);
        assert_eq!(
            find_invalid(&OTHER_ROOT, &claims, &mut seeded(1)),
            (0..count).collect::<Vec<_>>(),
            "{count}"
        );
    }
}

#[test]
fn errors_that_cancel_out_in_a_plain_sum_are_found() {
    let (_, mut claims) = signers(8);
    (claims[2].1, claims[5].1) = (claims[5].1, claims[2].1);
    let plain_sum = Signature::aggregate(&claims.iter().map(|claim| claim.1).collect::<Vec<_>>()).unwrap();
    let keys: Vec<_> = claims.iter().map(|claim| claim.0).collect();
    assert!(plain_sum.verify_aggregate(&keys, &ROOT), "the plain sum is blind to it");
    assert_eq!(find_invalid(&ROOT, &claims, &mut seeded(1)), [2, 5]);
}

#[test]
fn the_same_claim_may_appear_many_times() {
    let (_, claims) = signers(2);
    let repeated: Vec<_> = std::iter::repeat_n(claims[0], 40).collect();
    assert_eq!(find_invalid(&ROOT, &repeated, &mut seeded(1)), [0usize; 0]);
    let repeated: Vec<_> = std::iter::repeat_n((claims[0].0, claims[1].1), 5).collect();
    assert_eq!(find_invalid(&ROOT, &repeated, &mut seeded(1)), [0, 1, 2, 3, 4]);
}

#[derive(Clone, Copy, Debug)]
enum Corruption {
    AnotherRoot,
    AnotherKey,
    Negated,
    /// Off by the same amount each time, so that two of them differ from good ones by a multiple of one point.
    Shifted,
}

fn corruption() -> impl Strategy<Value = Corruption> {
    use Corruption::{AnotherKey, AnotherRoot, Negated, Shifted};
    prop_oneof![Just(AnotherRoot), Just(AnotherKey), Just(Negated), Just(Shifted)]
}

fn corrupted(how: Corruption, key: &SecretKey) -> Signature {
    let stranger = SecretKey::generate(&mut seeded(99)).sign(&ROOT);
    match how {
        Corruption::AnotherRoot => key.sign(&OTHER_ROOT),
        Corruption::AnotherKey => stranger,
        Corruption::Negated => {
            let mut bytes = *key.sign(&ROOT).to_bytes().as_bytes();
            bytes[0] ^= 0x20;
            Signature::from_bytes(&bytes).unwrap()
        }
        Corruption::Shifted => Signature::aggregate(&[key.sign(&ROOT), stranger]).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exactly_the_corrupted_entries_are_named(
        count in 1usize..=64, corruptions in btree_map(0usize..64, corruption(), 0..=8), seed in any::<u64>(),
    ) {
        let (keys, mut claims) = signers(count);
        let mut expected = Vec::new();
        for (at, how) in corruptions.into_iter().filter(|(at, _)| *at < count) {
            claims[at].1 = corrupted(how, &keys[at]);
            expected.push(at);
        }
        prop_assert_eq!(find_invalid(&ROOT, &claims, &mut seeded(seed)), expected);
    }
}

fn several(keys: u64, each: u8) -> Vec<Claims> {
    let claims = |seed| {
        let key = SecretKey::generate(&mut seeded(seed));
        let signed = |n: u8| {
            let root = SigningRoot::new([n.wrapping_mul(31) ^ seed as u8; 32]);
            (root, key.sign(&root))
        };
        Claims { key: key.public_key(), signed: (0..each).map(signed).collect() }
    };
    (0..keys).map(claims).collect()
}

type Change = fn(&mut Vec<Claims>);

#[test]
fn several_roots_by_several_keys_hold_together_and_one_wrong_claim_is_noticed() {
    for (keys, each) in [(0, 0), (1, 0), (1, 1), (1, 5), (7, 3), (40, 2)] {
        assert!(all_hold(&several(keys, each)), "{each} by each of {keys}");
    }
    let changes: [(&str, Change); 6] = [
        ("another root", |claims| claims[3].signed[1].0 = SigningRoot::new([9; 32])),
        ("the signature of another", |claims| claims[3].signed[1].1 = claims[2].signed[1].1),
        ("signatures swapped within a key", |claims| {
            let (first, second) = (claims[3].signed[0].1, claims[3].signed[1].1);
            (claims[3].signed[0].1, claims[3].signed[1].1) = (second, first);
        }),
        ("signatures swapped between keys", |claims| {
            let (first, second) = (claims[0].signed[0].1, claims[6].signed[2].1);
            (claims[0].signed[0].1, claims[6].signed[2].1) = (second, first);
        }),
        ("another key", |claims| claims[5].key = claims[4].key),
        ("keys swapped", |claims| {
            let (first, second) = (claims[0].key, claims[1].key);
            (claims[0].key, claims[1].key) = (second, first);
        }),
    ];
    for (name, change) in changes {
        let mut claims = several(7, 3);
        change(&mut claims);
        assert!(!all_hold(&claims), "{name}");
    }
}

/// Group keys with their public shares.
fn shared_keys(keys: u64, threshold: u64, operators: u8) -> Vec<(PublicKey, Vec<PublicKey>)> {
    let threshold = Threshold::new(threshold, operators).unwrap();
    let key = |seed| {
        let secret = SecretKey::generate(&mut seeded(seed));
        let shares = split(&secret, threshold, operators, &mut seeded(seed + 1_000));
        (secret.public_key(), shares.iter().map(SecretKey::public_key).collect())
    };
    (0..keys).map(key).collect()
}

fn interpolate(keys: &[(PublicKey, Vec<PublicKey>)], threshold: u64) -> bool {
    let keys: Vec<(PublicKey, &[PublicKey])> = keys.iter().map(|(key, shares)| (*key, &shares[..])).collect();
    all_interpolate(&keys, Threshold::new(threshold, 254).unwrap())
}

#[test]
fn the_shares_of_many_keys_interpolate_together_and_one_wrong_point_is_noticed() {
    for (keys, threshold, operators) in [(0, 2, 3), (1, 2, 3), (1, 3, 4), (7, 3, 4), (40, 5, 7), (3, 4, 4)] {
        assert!(
            interpolate(&shared_keys(keys, threshold, operators), threshold),
            "{keys}: {threshold}/{operators}"
        );
    }
    type Spoil = fn(&mut Vec<(PublicKey, Vec<PublicKey>)>);
    let spoils: [(&str, Spoil); 7] = [
        ("another group key", |keys| keys[3].0 = keys[2].0),
        ("a share of another key", |keys| keys[3].1[3] = keys[2].1[3]),
        ("the first share of another key", |keys| keys[3].1[0] = keys[2].1[0]),
        ("two shares swapped", |keys| keys[5].1.swap(0, 1)),
        ("two keys swapped", |keys| (keys[0].0, keys[1].0) = (keys[1].0, keys[0].0)),
        ("a share missing", |keys| keys[6].1.truncate(3)),
        ("too few shares", |keys| keys.iter_mut().for_each(|(_, shares)| shares.truncate(2))),
    ];
    for (name, spoil) in spoils {
        let mut keys = shared_keys(7, 3, 4);
        spoil(&mut keys);
        assert!(!interpolate(&keys, 3), "{name}");
    }
    assert!(!interpolate(&shared_keys(7, 3, 4), 2), "a polynomial of a higher degree");
    assert!(interpolate(&shared_keys(7, 2, 4), 3), "one of a lower degree is a special case");
}
