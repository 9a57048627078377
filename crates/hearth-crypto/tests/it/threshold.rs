//! Splitting and recombining.

use std::convert::Infallible;

use hearth_crypto::threshold::{RecombineError, recombine, recombine_public, recombine_secret, split};
use hearth_crypto::{PublicKey, SecretKey, Signature};
use hearth_types::{ShareIndex, SigningRoot, Threshold};
use proptest::prelude::*;
use proptest::sample::subsequence;
use rand::{TryCryptoRng, TryRng};
use serde_json::Value;

use crate::{ROOT, by_share, bytes, list, own, public, root, secret, seeded, share, shared, signature};

#[test]
fn splitting_and_recombining_equal_our_vectors() {
    for case in list(&own("threshold.json")["cases"]) {
        check(&Vector {
            threshold: case["threshold"].as_u64().unwrap(),
            coefficients: list(&case["coefficients"]).to_vec(),
            root: root(&case["root"]),
            shares: by_share(&case["shares"]),
            share_keys: by_share(&case["share_keys"]),
            partials: by_share(&case["partials"]),
            group_key: public(&case["group_key"]),
            group_signature: signature(&case["group_signature"]),
        });
    }
}

#[test]
fn splitting_and_recombining_equal_the_shared_vectors() {
    let Some(cases) = shared("obol-cluster/shamir/split.json") else { return };
    for case in list(&cases) {
        check(&Vector {
            threshold: case["threshold"].as_u64().unwrap(),
            coefficients: list(&case["polynomial_coefficients_low_to_high"]).to_vec(),
            root: root(&case["message"]),
            shares: by_share(&case["shares_by_index"]),
            share_keys: by_share(&case["public_shares_by_index"]),
            partials: by_share(&case["partial_signatures_by_index"]),
            group_key: public(&case["group_public_key"]),
            group_signature: signature(&case["group_signature"]),
        });
        let partials: Vec<Signature> = by_share(&case["partial_signatures_by_index"])
            .into_iter()
            .map(|(_, value)| signature(value))
            .collect();
        assert_eq!(Signature::aggregate(&partials), Some(signature(&case["sum_of_all_partial_signatures"])));
    }
}

struct Vector<'a> {
    threshold: u64,
    coefficients: Vec<Value>,
    root: SigningRoot,
    shares: Vec<(ShareIndex, &'a Value)>,
    share_keys: Vec<(ShareIndex, &'a Value)>,
    partials: Vec<(ShareIndex, &'a Value)>,
    group_key: PublicKey,
    group_signature: Signature,
}

fn check(vector: &Vector<'_>) {
    let operators = u8::try_from(vector.shares.len()).unwrap();
    let threshold = Threshold::new(vector.threshold, operators).unwrap();
    let whole = secret(&vector.coefficients[0]);
    let drawn = vector.coefficients[1..].iter().flat_map(bytes::<32>).collect();
    let made = split(&whole, threshold, operators, &mut Script(drawn));

    assert_eq!(made.len(), vector.shares.len());
    assert_eq!(whole.public_key(), vector.group_key);
    assert_eq!(whole.sign(&vector.root), vector.group_signature);
    for (made, (((_, expected), (_, key)), (x, partial))) in
        made.iter().zip(vector.shares.iter().zip(&vector.share_keys).zip(&vector.partials))
    {
        assert_eq!(*made.to_bytes(), bytes(expected), "share {x}");
        assert_eq!(made.public_key(), public(key), "share {x}");
        assert_eq!(made.sign(&vector.root), signature(partial), "share {x}");
    }

    let partials: Vec<_> = vector.partials.iter().map(|(x, value)| (*x, signature(value))).collect();
    let keys: Vec<_> = vector.share_keys.iter().map(|(x, value)| (*x, public(value))).collect();
    let secrets: Vec<_> = vector.shares.iter().map(|(x, _)| *x).zip(&made).collect();
    for first in 0..=partials.len() - threshold.count() {
        let chosen = first..first + threshold.count();
        assert_eq!(recombine(&partials[chosen.clone()]), Ok(vector.group_signature));
        assert_eq!(recombine_public(&keys[chosen.clone()]), Ok(vector.group_key));
        assert_eq!(recombine_secret(&secrets[chosen]).unwrap().to_bytes(), whole.to_bytes());
    }
    assert_eq!(recombine(&partials), Ok(vector.group_signature), "more than enough is fine");
}

/// Randomness that was written down beforehand.
struct Script(std::collections::VecDeque<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.fill_with(|| self.0.pop_front().expect("the script is long enough"));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

#[test]
fn shares_of_a_distributed_key_generation_recombine() {
    let Some(ceremony) = shared("obol-dkg/frost-3-of-4-2-validators.json") else { return };
    let validators = list(&ceremony["validators"]);
    assert!(!validators.is_empty());
    for validator in validators {
        let (group, root) = (public(&validator["verification_key"]), root(&validator["message"]));
        let expected = signature(&validator["threshold_signature"]);
        let participants: Vec<_> = list(&validator["participants"])
            .iter()
            .map(|one| {
                let x = share(u8::try_from(one["id"].as_u64().unwrap()).unwrap());
                (x, secret(&one["final_secret_share"]), public(&one["vk_share"]))
            })
            .collect();
        let partials: Vec<_> = by_share(&validator["partial_signatures"])
            .into_iter()
            .map(|(x, value)| (x, signature(value)))
            .collect();
        for ((x, key, public), (also_x, partial)) in participants.iter().zip(&partials) {
            assert_eq!((x, key.public_key(), key.sign(&root)), (also_x, *public, *partial));
        }
        for left_out in 0..4 {
            let keys: Vec<_> = except(left_out, participants.iter().map(|(x, _, public)| (*x, *public)));
            let secrets: Vec<_> = except(left_out, participants.iter().map(|(x, key, _)| (*x, key)));
            assert_eq!(recombine(&except(left_out, partials.iter().copied())), Ok(expected));
            assert_eq!(recombine_public(&keys), Ok(group));
            assert_eq!(
                *recombine_secret(&secrets).unwrap().to_bytes(),
                bytes(&validator["group_secret_for_test_only"])
            );
        }
        assert!(expected.verify(&group, &root));
    }
}

#[test]
fn shares_of_a_recorded_development_chain_recombine() {
    let Some(validators) = shared("beacon-api/electra/shares.json") else { return };
    assert!(!list(&validators).is_empty());
    for validator in list(&validators) {
        let group = public(&validator["pubkey"]);
        let shares: Vec<_> =
            by_share(&validator["shares"]).into_iter().map(|(x, value)| (x, secret(value))).collect();
        for ((x, key), (also_x, expected)) in shares.iter().zip(by_share(&validator["share_pubkeys"])) {
            assert_eq!((*x, key.public_key()), (also_x, public(expected)));
        }
        for left_out in 0..shares.len() {
            let partials = except(left_out, shares.iter().map(|(x, key)| (*x, key.sign(&ROOT))));
            assert!(recombine(&partials).unwrap().verify(&group, &ROOT));
        }
    }
}

fn except<T>(left_out: usize, all: impl Iterator<Item = T>) -> Vec<T> {
    all.enumerate().filter(|(at, _)| *at != left_out).map(|(_, one)| one).collect()
}

#[test]
fn no_shares_and_repeated_shares_are_refused() {
    let key = SecretKey::generate(&mut seeded(1));
    let (partial, public) = (key.sign(&ROOT), key.public_key());
    let twice = RecombineError::Duplicate(share(7));
    assert_eq!(recombine(&[]), Err(RecombineError::Empty));
    assert_eq!(recombine_public(&[]), Err(RecombineError::Empty));
    assert_eq!(recombine_secret(&[]).err(), Some(RecombineError::Empty));
    assert_eq!(recombine(&[(share(7), partial), (share(8), partial), (share(7), partial)]), Err(twice));
    assert_eq!(recombine_public(&[(share(7), public), (share(7), public)]), Err(twice));
    assert_eq!(recombine_secret(&[(share(7), &key), (share(7), &key)]).err(), Some(twice));
}

#[test]
fn shares_that_cancel_out_are_refused() {
    // The line through (1, 1) and (2, 2) is zero at zero.
    let number =
        |last| SecretKey::from_bytes(&std::array::from_fn(|at| if at == 31 { last } else { 0 })).unwrap();
    let (one, two) = (number(1), number(2));
    assert_eq!(recombine_secret(&[(share(1), &one), (share(2), &two)]).err(), Some(RecombineError::Infinity));
    assert_eq!(
        recombine_public(&[(share(1), one.public_key()), (share(2), two.public_key())]),
        Err(RecombineError::Infinity)
    );
    assert_eq!(
        recombine(&[(share(1), one.sign(&ROOT)), (share(2), two.sign(&ROOT))]),
        Err(RecombineError::Infinity)
    );
}

#[test]
fn the_largest_cluster_can_be_split_and_recombined() {
    let mut rng = seeded(2);
    let secret = SecretKey::generate(&mut rng);
    let shares = split(&secret, Threshold::new(170, 254).unwrap(), 255, &mut rng);
    assert_eq!(shares.len(), 254);
    let partials: Vec<_> =
        (1..=254).map(share).zip(&shares).skip(84).map(|(x, key)| (x, key.sign(&ROOT))).collect();
    assert_eq!(partials.len(), 170);
    assert_eq!(recombine(&partials), Ok(secret.sign(&ROOT)));
}

/// A cluster, and which of its shares take part, in any order.
fn cluster() -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    (3u8..=12).prop_flat_map(|operators| (Just(operators), 2..=operators)).prop_flat_map(
        |(operators, threshold)| {
            let chosen =
                subsequence((1..=operators).collect::<Vec<_>>(), usize::from(threshold)).prop_shuffle();
            (Just(operators), Just(threshold), chosen)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_threshold_of_the_shares_recombine_and_one_fewer_do_not(
        (operators, threshold, chosen) in cluster(), seed in any::<u64>(),
    ) {
        let mut rng = seeded(seed);
        let whole = SecretKey::generate(&mut rng);
        let shares = split(&whole, Threshold::new(threshold.into(), operators).unwrap(), operators, &mut rng);
        let chosen: Vec<_> = chosen.iter().map(|x| (share(*x), &shares[usize::from(*x) - 1])).collect();
        let partials: Vec<_> = chosen.iter().map(|(x, key)| (*x, key.sign(&ROOT))).collect();
        let keys: Vec<_> = chosen.iter().map(|(x, key)| (*x, key.public_key())).collect();

        let recombined = recombine(&partials).unwrap();
        prop_assert!(recombined.verify(&whole.public_key(), &ROOT));
        prop_assert_eq!(recombined, whole.sign(&ROOT));
        prop_assert_eq!(recombine_public(&keys), Ok(whole.public_key()));
        prop_assert_eq!(recombine_secret(&chosen).unwrap().to_bytes(), whole.to_bytes());

        prop_assert!(!recombine(&partials[1..]).unwrap().verify(&whole.public_key(), &ROOT));
        prop_assert_ne!(recombine_public(&keys[1..]), Ok(whole.public_key()));
    }

    #[test]
    fn scattered_shares_recombine_whether_or_not_the_weights_fit_short_integers(
        chosen in subsequence((1u8..=254).collect::<Vec<_>>(), 2..=40), seed in any::<u64>(),
    ) {
        let mut rng = seeded(seed);
        let whole = SecretKey::generate(&mut rng);
        let threshold = Threshold::new(chosen.len() as u64, 254).unwrap();
        let shares = split(&whole, threshold, 254, &mut rng);
        let partials: Vec<_> =
            chosen.iter().map(|x| (share(*x), shares[usize::from(*x) - 1].sign(&ROOT))).collect();
        prop_assert_eq!(recombine(&partials), Ok(whole.sign(&ROOT)));
    }
}
