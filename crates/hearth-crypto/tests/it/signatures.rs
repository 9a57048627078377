//! Signing, checking one signature, and plain aggregates.

use hearth_crypto::{PublicKey, SecretKey, Signature};

use crate::{OTHER_ROOT, ROOT, list, own, public, root, secret, seeded, signature};

#[test]
fn keys_and_signatures_equal_those_of_the_ethereum_test_suite() {
    for case in list(&own("bls.json")["signatures"]) {
        let (key, root) = (secret(&case["secret"]), root(&case["root"]));
        let expected = signature(&case["signature"]);
        assert_eq!(key.public_key(), public(&case["key"]), "{case}");
        assert_eq!(key.sign(&root), expected, "{case}");
        assert!(expected.verify(&public(&case["key"]), &root), "{case}");
    }
}

#[test]
fn a_signature_is_refused_under_another_key_or_over_another_root() {
    let (key, other) = (SecretKey::generate(&mut seeded(1)), SecretKey::generate(&mut seeded(2)));
    let signature = key.sign(&ROOT);
    assert!(signature.verify(&key.public_key(), &ROOT));
    assert!(!signature.verify(&other.public_key(), &ROOT));
    assert!(!signature.verify(&key.public_key(), &OTHER_ROOT));
}

#[test]
fn the_sum_of_signatures_equals_that_of_the_ethereum_test_suite_and_verifies_for_its_keys_only() {
    let vectors = own("bls.json");
    let root = root(&vectors["aggregate"]["root"]);
    let keys: Vec<SecretKey> =
        list(&vectors["signatures"]).iter().map(|case| secret(&case["secret"])).collect();
    let signatures: Vec<Signature> = keys.iter().map(|key| key.sign(&root)).collect();
    let mut public: Vec<PublicKey> = keys.iter().map(SecretKey::public_key).collect();

    let sum = Signature::aggregate(&signatures).unwrap();
    assert_eq!(sum, signature(&vectors["aggregate"]["signature"]));
    assert!(sum.verify_aggregate(&public, &root));
    assert!(!sum.verify_aggregate(&public, &OTHER_ROOT));
    assert!(!sum.verify_aggregate(&public[1..], &root));
    assert!(!sum.verify_aggregate(&[], &root));
    public.reverse();
    assert!(sum.verify_aggregate(&public, &root), "the order does not matter");
}

#[test]
fn there_is_no_sum_of_nothing_nor_of_signatures_that_cancel_out() {
    let key = SecretKey::generate(&mut seeded(3));
    let mut negated = *key.sign(&ROOT).to_bytes().as_bytes();
    negated[0] ^= 0x20; // The other of the two points with this coordinate.
    let negated = Signature::from_bytes(&negated).unwrap();
    assert_eq!(Signature::aggregate(&[]), None);
    assert_eq!(Signature::aggregate(&[key.sign(&ROOT), negated]), None);

    let mut opposite = key.public_key().to_bytes();
    opposite[0] ^= 0x20;
    let opposite = PublicKey::from_bytes(&opposite).unwrap();
    assert!(!key.sign(&ROOT).verify_aggregate(&[key.public_key(), opposite], &ROOT));
}

#[test]
fn the_sum_of_keys_signs_the_sum_of_their_signatures() {
    for count in 1..6 {
        let keys: Vec<SecretKey> = (0..count).map(|seed| SecretKey::generate(&mut seeded(seed))).collect();
        let signatures: Vec<Signature> = keys.iter().map(|key| key.sign(&ROOT)).collect();
        let sum = SecretKey::sum(&keys).unwrap();
        assert_eq!(Some(sum.sign(&ROOT)), Signature::aggregate(&signatures), "{count} keys");
    }
    assert!(SecretKey::sum([]).is_none());
    // One and the order less one cancel out.
    let mut less_one = [0; 32];
    hex::decode_to_slice("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000", &mut less_one)
        .unwrap();
    let mut one = [0; 32];
    one[31] = 1;
    let pair = [SecretKey::from_bytes(&one).unwrap(), SecretKey::from_bytes(&less_one).unwrap()];
    assert!(SecretKey::sum(&pair).is_none());
}
