//! New clusters by a trusted dealer.

use hearth_crypto::threshold::{recombine, recombine_secret};
use hearth_crypto::{PublicKey, SecretKey};
use hearth_obol::cluster::{
    AddressError, Definition, DkgAlgorithm, Lock, Networks, OperatorEntry, Plan, PlanError, deal,
    deal_definition, new_uuid, read_deposit_file, timestamp_text,
};
use hearth_obol::enr::Enr;
use hearth_types::{Gwei, OperatorIndex, ShareIndex, SigningRoot, UnixMillis};
use proptest::prelude::*;

use crate::support::{ADDRESS, latest_lock, networks, node_keys, plan, rng, secrets};

#[test]
fn a_dealt_cluster_verifies_and_any_threshold_of_its_nodes_holds_the_keys() {
    let before: Vec<PublicKey> = secrets(2).iter().map(SecretKey::public_key).collect();
    let dealt = deal(&plan(), &node_keys(4), secrets(2), &mut rng()).unwrap();
    let lock = Lock::from_json(dealt.lock_json.as_bytes()).unwrap().verify(&networks()).unwrap();
    assert_eq!(lock.lock(), dealt.lock.lock());
    assert!(lock.warnings().is_empty(), "{:?}", lock.warnings());
    let groups: Vec<PublicKey> = lock.validators().iter().map(|keys| keys.group).collect();
    assert_eq!(groups, before);
    assert_eq!(dealt.shares.len(), 4);
    for (node, shares) in OperatorIndex::all(4).zip(&dealt.shares) {
        for (share, keys) in shares.iter().zip(lock.validators()) {
            assert_eq!(Some(share.public_key()), keys.share_key(node.share()));
        }
    }
    for (validator, group) in groups.iter().enumerate() {
        for set in [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]] {
            let shares: Vec<(ShareIndex, &SecretKey)> = set
                .iter()
                .map(|node| {
                    (OperatorIndex::new(*node).unwrap().share(), &dealt.shares[usize::from(*node)][validator])
                })
                .collect();
            assert_eq!(recombine_secret(&shares).unwrap().public_key(), *group);
            let root = SigningRoot::new([5; 32]);
            let partials: Vec<_> = shares.iter().map(|(index, share)| (*index, share.sign(&root))).collect();
            assert!(recombine(&partials).unwrap().verify(group, &root));
        }
    }
    let names: Vec<&str> = dealt.deposits.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["deposit-data-1eth.json", "deposit-data.json"]);
    for file in &dealt.deposits {
        assert_eq!(read_deposit_file(file.json.as_bytes(), &plan().network).unwrap().len(), 2);
    }
}

#[test]
fn what_the_owner_asked_for_is_in_the_lock() {
    let wanted = Plan {
        threshold: Some(4),
        withdrawal_addresses: vec![ADDRESS.to_owned(), "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359".to_owned()],
        deposit_amounts: [64_000_000_000, 8_000_000_000].map(Gwei::new).to_vec(),
        compounding: true,
        gas_limit: 45_000_000,
        registered_at_s: Some(1_800_000_000),
        ..plan()
    };
    let dealt = deal(&wanted, &node_keys(5), secrets(2), &mut rng()).unwrap();
    let lock = dealt.lock.lock();
    assert_eq!(dealt.lock.threshold().count(), 4);
    assert_eq!(dealt.lock.name(), wanted.name);
    assert_eq!(lock.definition.target_gas_limit, 45_000_000);
    for validator in &lock.validators {
        assert_eq!(validator.registration.timestamp, 1_800_000_000);
        assert_eq!(validator.registration.gas_limit, 45_000_000);
        assert!(validator.deposits.iter().all(|deposit| deposit.withdrawal_credentials[0] == 2));
        let amounts: Vec<u64> = validator.deposits.iter().map(|deposit| deposit.amount.get()).collect();
        assert_eq!(amounts, [8_000_000_000, 64_000_000_000]);
    }
    let credentials =
        |validator: usize| hex::encode(&lock.validators[validator].deposits[0].withdrawal_credentials[12..]);
    assert_eq!(credentials(0), ADDRESS[2..].to_lowercase());
    assert_eq!(credentials(1), "fb6916095ca1df60bb79ce92ce3ea74c37c5d359");
    // Without a time of its own a registration dates from genesis.
    let fresh = deal(&plan(), &node_keys(3), secrets(1), &mut rng()).unwrap();
    assert_eq!(fresh.lock.lock().validators[0].registration.timestamp, plan().network.genesis_time_s);
    assert_eq!(fresh.lock.warnings().len(), 1, "a cluster of three is warned about");
}

#[test]
fn plans_that_cannot_be_or_would_lose_money_are_refused() {
    let refused = |change: &dyn Fn(&mut Plan), nodes, keys| {
        let mut plan = plan();
        change(&mut plan);
        deal(&plan, &node_keys(nodes), secrets(keys), &mut rng()).unwrap_err()
    };
    let nothing = &|_: &mut Plan| ();
    assert_eq!(refused(nothing, 2, 1), PlanError::Operators(2));
    assert_eq!(refused(nothing, 255, 1), PlanError::Operators(255));
    assert_eq!(refused(nothing, 3, 0), PlanError::Validators(0));
    for threshold in [0, 1, 4, u64::MAX] {
        let error = refused(&|plan| plan.threshold = Some(threshold), 3, 1);
        assert!(matches!(error, PlanError::Threshold(_)), "{threshold}: {error}");
    }
    assert_eq!(refused(&|plan| plan.gas_limit = 0, 3, 1), PlanError::GasLimit);
    let protocol = refused(&|plan| plan.consensus_protocol = "abft".to_owned(), 3, 1);
    assert_eq!(protocol, PlanError::ConsensusProtocol("abft".to_owned()));
    assert!(matches!(refused(&|plan| plan.deposit_amounts = vec![Gwei::new(1)], 3, 1), PlanError::Amounts(_)));
    let many = refused(&|plan| plan.deposit_amounts = vec![Gwei::new(32_000_000_000); 257], 3, 1);
    assert_eq!(many, PlanError::TooManyAmounts(257));
    assert!(matches!(refused(&|plan| plan.name = "x".repeat(257), 3, 1), PlanError::Unhashable(_)));
    assert!(matches!(refused(&|plan| plan.withdrawal_addresses.clear(), 3, 1), PlanError::AddressCount { .. }));
    let two = refused(&|plan| plan.fee_recipients = vec![ADDRESS.to_owned(); 2], 3, 3);
    assert!(matches!(two, PlanError::AddressCount { addresses: 2, validators: 3, .. }), "{two}");

    let withdrawal = |to: &str, network: &str| {
        let error = refused(
            &|plan| {
                plan.withdrawal_addresses = vec![to.to_owned()];
                plan.network = Networks::known().by_name(network).unwrap().clone();
            },
            3,
            1,
        );
        match error {
            PlanError::Address { what: "withdrawal address", error } => error,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(withdrawal(&ADDRESS.to_lowercase(), "hoodi"), AddressError::Checksum { .. }));
    assert!(matches!(withdrawal(&ADDRESS.replace('E', "e"), "hoodi"), AddressError::Checksum { .. }));
    assert!(matches!(withdrawal("", "hoodi"), AddressError::Form(_)));
    assert!(matches!(withdrawal(&ADDRESS[2..], "hoodi"), AddressError::Form(_)));
    assert_eq!(withdrawal("0x0000000000000000000000000000000000000000", "mainnet"), AddressError::Zero);
    assert_eq!(withdrawal("0x0000000000000000000000000000000000000000", "gnosis"), AddressError::Zero);

    let mut twins = node_keys(3);
    twins[2] = node_keys(1).remove(0);
    let error = deal(&plan(), &twins, secrets(1), &mut rng()).unwrap_err();
    assert_eq!(error, PlanError::DuplicateOperator);
    let mut twice = secrets(2);
    twice.push(secrets(1).remove(0));
    let error = deal(&plan(), &node_keys(3), twice, &mut rng()).unwrap_err();
    assert_eq!(error, PlanError::DuplicateValidator(2));
}

#[test]
fn a_definition_that_exists_is_dealt_only_whole_and_sound() {
    let open = || plan().definition(vec![OperatorEntry::default(); 3], 1).unwrap();
    let dealt = |definition: Definition, nodes, keys, network: &str| {
        let networks = Networks::from(Networks::known().by_name(network).unwrap().clone());
        deal_definition(definition, &networks, &node_keys(nodes), secrets(keys), None, &mut rng())
    };
    let config_hash = open().config_hash;
    let cluster = dealt(open(), 3, 1, "hoodi").unwrap();
    assert_eq!(cluster.lock.lock().definition.config_hash, config_hash);

    assert!(matches!(dealt(open(), 3, 1, "mainnet"), Err(PlanError::Definition(_))));
    assert!(matches!(dealt(open(), 4, 1, "hoodi"), Err(PlanError::NodeCount { nodes: 4, planned: 3 })));
    assert!(matches!(dealt(open(), 3, 2, "hoodi"), Err(PlanError::KeyCount { keys: 2, planned: 1 })));
    let stale = Definition { name: "changed since".to_owned(), ..open() };
    assert!(matches!(dealt(stale, 3, 1, "hoodi"), Err(PlanError::Definition(_))));
}

#[test]
fn operators_that_a_definition_names_give_their_places_to_the_nodes_of_the_dealer() {
    let signed = Lock::from_json(latest_lock().to_string().as_bytes()).unwrap().definition;
    let mut named = signed.clone();
    for entry in &mut named.operators {
        *entry = OperatorEntry { enr: entry.enr.clone(), ..OperatorEntry::default() };
    }
    named.creator = Default::default();
    named.rehash().unwrap();
    let mut solo = open_to_all(&named);
    solo.definition_hash = solo.compute_definition_hash().unwrap().as_bytes().to_vec();
    for (name, definition, keeps_plan) in
        [("records only", named, true), ("nobody", solo, true), ("everybody signed", signed, false)]
    {
        let validators = u8::try_from(definition.num_validators).unwrap();
        let config_hash = definition.config_hash.clone();
        let keys = node_keys(3);
        let dealt =
            deal_definition(definition, &networks(), &keys, secrets(validators), None, &mut rng()).unwrap();
        let made = &dealt.lock.lock().definition;
        assert_eq!(made.config_hash == config_hash, keeps_plan, "{name}");
        for (entry, key) in made.operators.iter().zip(&keys) {
            assert_eq!(entry.enr, Enr::create(key).text(), "{name}");
            assert!(entry.address.is_empty() && entry.config_signature.is_empty(), "{name}");
        }
    }
}

/// The same plan before anybody named his node.
fn open_to_all(definition: &Definition) -> Definition {
    Definition { operators: vec![OperatorEntry::default(); definition.operators.len()], ..definition.clone() }
}

#[test]
fn a_plan_for_a_ceremony_names_each_operator_by_his_record_once() {
    let records: Vec<String> = node_keys(4).iter().map(|key| Enr::create(key).text().to_owned()).collect();
    let pedersen = Plan { dkg_algorithm: DkgAlgorithm::Pedersen, ..plan() };
    let definition = pedersen.for_ceremony(&records, 2).unwrap();
    assert_eq!(definition.verify(&networks()), Ok(()));
    assert_eq!((definition.threshold, definition.num_validators), (3, 2));
    assert_eq!(definition.dkg_algorithm, "pedersen");
    let named: Vec<&String> = definition.operators.iter().map(|operator| &operator.enr).collect();
    assert_eq!(named, records.iter().collect::<Vec<_>>());

    let refused = |change: fn(&mut Vec<String>)| {
        let mut records = records.clone();
        change(&mut records);
        plan().for_ceremony(&records, 1).unwrap_err()
    };
    assert_eq!(refused(|records| records[3] = records[0].clone()), PlanError::DuplicateOperator);
    // The same record with the padding of old files is the same key.
    assert_eq!(refused(|records| records[3] = format!("{}==", records[0])), PlanError::DuplicateOperator);
    assert!(matches!(refused(|records| records[2].push('A')), PlanError::Enr { operator: 2, .. }));
    assert_eq!(refused(|records| records.truncate(2)), PlanError::Operators(2));
}

#[test]
fn the_same_randomness_makes_the_same_cluster_and_other_randomness_other_shares() {
    let dealt = |seed: u8| {
        let mut rng = <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed([seed; 32]);
        deal(&plan(), &node_keys(3), secrets(1), &mut rng).unwrap().lock_json
    };
    assert_eq!(dealt(1), dealt(1));
    assert_ne!(dealt(1), dealt(2));
}

#[test]
fn moments_and_identifiers_have_the_form_of_other_tools() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_767_323_045_999, "2026-01-02T03:04:05Z"),
        (253_402_207_199_000, "9999-12-30T21:59:59Z"),
    ] {
        assert_eq!(timestamp_text(UnixMillis::new(ms)), text);
    }
    assert!(timestamp_text(UnixMillis::new(u64::MAX)).len() <= 32);
    let (mut rng, mut again) = (rng(), rng());
    let uuid = new_uuid(&mut rng);
    assert_eq!(uuid.len(), 36);
    assert_eq!(&uuid[14..15], "4");
    assert_eq!(uuid, uuid.to_uppercase());
    assert_ne!(uuid, new_uuid(&mut rng));
    assert_eq!(uuid, new_uuid(&mut again));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_plan_within_the_rules_makes_a_cluster_that_verifies(
        nodes in 3..8_u8,
        above in 0..6_u64,
        validators in 1..3_u8,
        compounding: bool,
        name in "\\PC{0,60}",
        seed: [u8; 32],
    ) {
        let threshold = (2 + above).min(nodes.into());
        let plan = Plan { threshold: Some(threshold), compounding, name, ..plan() };
        let mut rng = <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed(seed);
        let dealt = deal(&plan, &node_keys(nodes), secrets(validators), &mut rng).unwrap();
        let lock = Lock::from_json(dealt.lock_json.as_bytes()).unwrap();
        prop_assert_eq!(lock.to_json().unwrap(), dealt.lock_json);
        let verified = lock.verify(&networks()).unwrap();
        prop_assert_eq!(verified.threshold().count() as u64, threshold);
        prop_assert_eq!(verified.operators().len(), usize::from(nodes));
    }
}
