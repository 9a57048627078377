//! Every signature: what is right passes, what was changed fails at the check that should notice.

use hearth_crypto::k1::NodeKey;
use hearth_obol::cluster::{
    Check, Definition, Finding, Lock, Networks, Outcome, Problem, Signatory, Unusable, VerifyError,
    WalletProblem,
};
use hearth_obol::enr::Enr;
use hearth_types::{LockHash, OperatorIndex};
use serde_json::{Value, json};

use crate::support::{latest_lock, networks, own_locks, rows, vectors_in};
use crate::vectors::vector;

type Change = fn(&mut Lock);
type ChangePlan = fn(&mut Definition);

fn read(json: &Value) -> Lock {
    Lock::from_json(json.to_string().as_bytes()).unwrap()
}

fn latest() -> Lock {
    read(&latest_lock())
}

fn failed(lock: Lock) -> (Check, Problem) {
    match lock.verify(&networks()) {
        Err(VerifyError::Failed { check, problem }) => (check, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn locks_with_all_signatures_pass_every_check() {
    for files in [vectors_in("lock-signed", ""), vectors_in("examples", "cluster-lock"), own_locks()] {
        for (name, json) in files {
            let lock = Lock::from_json(&json).unwrap();
            let hash = LockHash::new(lock.lock_hash.clone().try_into().unwrap());
            for finding in lock.verify_all(&networks()) {
                assert!(!matches!(finding.outcome, Outcome::Failed(_)), "{name}: {finding}");
            }
            let verified = lock.clone().verify(&networks()).unwrap();
            assert_eq!((verified.lock_hash(), verified.lock()), (hash, &lock), "{name}");
            let unsafe_threshold = lock.definition.operators.len() == 3;
            assert_eq!(!verified.warnings().is_empty(), unsafe_threshold, "{name}: {:?}", verified.warnings());
        }
    }
}

#[test]
fn signed_and_unsigned_definitions_of_real_clusters_pass() {
    for (name, json) in vectors_in("examples", "cluster-definition") {
        let definition = Definition::from_json(&json).unwrap();
        assert_eq!(definition.verify(&Networks::known()), Ok(()), "{name}");
    }
}

#[test]
fn definitions_with_random_signatures_fail_at_the_signatures_and_only_there() {
    for (name, json) in vectors_in("definition", "cluster_definition") {
        let findings = Definition::from_json(&json).unwrap().verify_all(&Networks::known());
        let outcome = |check| &findings.iter().find(|finding| finding.check == check).unwrap().outcome;
        assert_eq!(outcome(Check::ConfigHash), &Outcome::Passed, "{name}");
        assert_eq!(outcome(Check::DefinitionHash), &Outcome::Passed, "{name}");
        // The first three versions have no wallet signatures, and the vectors carry none.
        let signs = !["v1_0_0", "v1_1_0", "v1_2_0"].iter().any(|version| name.contains(version));
        assert_eq!(matches!(outcome(Check::WalletSignatures), Outcome::Failed(_)), signs, "{name}");
    }
}

#[test]
fn changed_files_fail_at_the_stage_that_the_specification_names() {
    for row in rows("lock-negative/patches.json") {
        let name = row["name"].as_str().unwrap();
        let mut json: Value = serde_json::from_slice(&vector(row["base"].as_str().unwrap()).unwrap()).unwrap();
        for patch in row["patches"].as_array().unwrap() {
            *json.pointer_mut(patch["path"].as_str().unwrap()).unwrap() = patch["value"].clone();
        }
        let lock = Lock::from_json(json.to_string().as_bytes());
        let stage = row["fails_at"].as_str().unwrap();
        if stage == "parse" {
            assert!(lock.is_err(), "{name}");
            continue;
        }
        let lock = lock.unwrap();
        let (check, problem) = failed(lock.clone());
        assert_eq!(is_hash(check), stage == "hashes", "{name}: {check}: {problem}");
        match lock.accept_unverified(&networks()) {
            Ok(accepted) => {
                let failed = accepted.warnings().any(|w| matches!(w.outcome, Outcome::Failed(_)));
                assert!(failed, "{name}");
            }
            // The record that was put in place is that of another operator.
            Err(refused) => {
                assert_eq!(name, "enr swapped");
                assert!(matches!(refused, Unusable::DuplicateOperator { .. }), "{refused}");
            }
        }
    }
    if let Some(json) = vector("lock-negative/lock_v1_10_0_wrong_fork.json") {
        assert!(is_hash(failed(Lock::from_json(&json).unwrap()).0));
    }
    if let Some(json) = vector("lock-negative/lock_v1_10_0_old_enr.json") {
        let lock = Lock::from_json(&json).unwrap();
        assert!(!is_hash(failed(lock.clone()).0));
        let refused = lock.accept_unverified(&networks());
        assert!(matches!(refused, Err(Unusable::Enr { .. })), "{refused:?}");
    }
}

fn is_hash(check: Check) -> bool {
    matches!(check, Check::ConfigHash | Check::DefinitionHash | Check::ValidatorCount | Check::LockHash)
}

#[test]
fn each_change_to_the_content_is_noticed_by_a_hash() {
    for (path, value, check) in [
        ("/cluster_definition/name", json!("another"), Check::ConfigHash),
        ("/cluster_definition/threshold", json!(3), Check::ConfigHash),
        ("/cluster_definition/operators/0/address", json!(""), Check::ConfigHash),
        ("/cluster_definition/validators/1/withdrawal_address", json!(""), Check::ConfigHash),
        ("/cluster_definition/compounding", json!(true), Check::ConfigHash),
        ("/cluster_definition/config_hash", json!(""), Check::ConfigHash),
        ("/cluster_definition/operators/0/enr", json!(""), Check::DefinitionHash),
        ("/cluster_definition/operators/2/enr_signature", json!(""), Check::DefinitionHash),
        ("/cluster_definition/creator/config_signature", json!(""), Check::DefinitionHash),
        ("/cluster_definition/definition_hash", json!("0x00"), Check::DefinitionHash),
        ("/distributed_validators/0/partial_deposit_data/0/amount", json!("7"), Check::LockHash),
        ("/distributed_validators/1/builder_registration/message/gas_limit", json!(7), Check::LockHash),
        ("/distributed_validators/0/public_shares", json!([]), Check::LockHash),
        ("/lock_hash", json!("0x00"), Check::LockHash),
        ("/distributed_validators", json!([]), Check::ValidatorCount),
    ] {
        let mut json = latest_lock();
        // Amounts that compounding allows break the rule without it, so start from amounts that both allow.
        if path == "/cluster_definition/compounding" {
            json["cluster_definition"]["compounding"] = json!(false);
            json["cluster_definition"]["deposit_amounts"] = json!(null);
        } else {
            *json.pointer_mut(path).unwrap() = value;
        }
        assert_eq!(failed(read(&json)).0, check, "{path}");
    }
}

/// Signs nothing but hashes, so that what the hashes cover can be changed.
fn rehashed(change: impl FnOnce(&mut Lock)) -> Lock {
    let mut lock = latest();
    lock.definition.creator = Default::default();
    for entry in &mut lock.definition.operators {
        entry.address.clear();
        entry.config_signature.clear();
        entry.enr_signature.clear();
    }
    change(&mut lock);
    lock.rehash().unwrap();
    lock
}

#[test]
fn shares_that_do_not_belong_to_their_validator_are_named() {
    assert_eq!(failed(rehashed(|_| ())).0, Check::Aggregate, "only the signatures of the lock are stale");
    let cases: [(Change, Problem); 11] = [
        (
            |lock| lock.validators[1].public_shares.swap(0, 1),
            Problem::OffPolynomial { validator: 1, operator: 1 },
        ),
        (
            |lock| lock.validators[1].public_shares.swap(1, 2),
            Problem::OffPolynomial { validator: 1, operator: 1 },
        ),
        (
            |lock| lock.validators[0].public_shares[2] = lock.validators[1].public_shares[2].clone(),
            Problem::OffPolynomial { validator: 0, operator: 2 },
        ),
        (
            |lock| lock.validators[0].public_shares[2] = lock.validators[0].public_shares[0].clone(),
            Problem::DuplicateShare { validator: 0 },
        ),
        (|lock| lock.validators[1] = lock.validators[0].clone(), Problem::DuplicateValidator { validator: 1 }),
        (
            |lock| drop(lock.validators[1].public_shares.pop()),
            Problem::ShareCount { validator: 1, shares: 2, operators: 3 },
        ),
        (
            |lock| lock.validators[1].public_shares[1] = vec![0; 48],
            Problem::InvalidShare { validator: 1, operator: 1 },
        ),
        (|lock| lock.validators[1].public_key = vec![0xc0; 48], Problem::InvalidKey { validator: 1 }),
        (|lock| lock.validators[1].public_key.truncate(47), Problem::InvalidKey { validator: 1 }),
        (|lock| lock.definition.threshold = 0, Problem::Threshold { threshold: 0, operators: 3 }),
        (|lock| lock.definition.threshold = 4, Problem::Threshold { threshold: 4, operators: 3 }),
    ];
    for (change, expected) in cases {
        let lock = rehashed(change);
        assert_eq!(failed(lock.clone()), (Check::PublicShares, expected.clone()));
        // Insisting helps only where every key is there and belongs to one validator.
        let twice = expected == Problem::OffPolynomial { validator: 0, operator: 2 };
        let usable =
            !twice && matches!(expected, Problem::OffPolynomial { .. } | Problem::DuplicateShare { .. });
        assert_eq!(lock.accept_unverified(&networks()).is_ok(), usable, "{expected}");
    }
    // With a threshold of three, all shares of a cluster of two thirds lie on another polynomial.
    let lock = rehashed(|lock| lock.definition.threshold = 3);
    assert_eq!(failed(lock).0, Check::Aggregate, "three points of a line are also on a parabola");
}

#[test]
fn missing_or_foreign_signatures_over_the_lock_are_named() {
    let cases: [(Change, Check, Problem); 7] = [
        (|lock| lock.signature_aggregate.clear(), Check::Aggregate, Problem::NoAggregate),
        (|lock| lock.signature_aggregate.truncate(95), Check::Aggregate, Problem::NoAggregate),
        (
            |lock| lock.signature_aggregate = lock.validators[0].registration.signature.clone(),
            Check::Aggregate,
            Problem::WrongAggregate,
        ),
        (
            |lock| drop(lock.node_signatures.pop()),
            Check::NodeSignatures,
            Problem::NodeSignatureCount { signatures: 2, operators: 3 },
        ),
        (
            |lock| lock.node_signatures.swap(0, 1),
            Check::NodeSignatures,
            Problem::WrongNodeSignature { operator: 0 },
        ),
        (
            |lock| lock.node_signatures[2][64] ^= 1,
            Check::NodeSignatures,
            Problem::WrongNodeSignature { operator: 2 },
        ),
        (
            |lock| lock.node_signatures[2].clear(),
            Check::NodeSignatures,
            Problem::WrongNodeSignature { operator: 2 },
        ),
    ];
    for (change, check, problem) in cases {
        let mut lock = latest();
        change(&mut lock);
        assert_eq!(failed(lock), (check, problem));
    }
    // Both ways to number a recovery are read.
    let mut lock = latest();
    lock.node_signatures.iter_mut().for_each(|signature| signature[64] += 27);
    assert!(lock.verify(&networks()).is_ok());
}

#[test]
fn registrations_must_be_signed_for_the_fee_recipient_of_the_plan() {
    let outcome = |lock: Lock| {
        let findings = lock.verify_all(&networks());
        findings.into_iter().find(|finding| finding.check == Check::Registrations).unwrap().outcome
    };
    let cases: [(Change, Outcome); 6] = [
        (|_| (), Outcome::Passed),
        (
            |lock| lock.validators[1].registration.signature.clear(),
            Outcome::Failed(Problem::NoRegistration { validator: 1 }),
        ),
        (
            |lock| lock.validators[1].registration.timestamp += 1,
            Outcome::Failed(Problem::WrongRegistration { validator: 1 }),
        ),
        (
            |lock| lock.definition.validators.swap(0, 1),
            Outcome::Failed(Problem::WrongRegistration { validator: 0 }),
        ),
        (
            |lock| lock.validators[0].registration.fee_recipient = vec![1; 20],
            Outcome::Warning(Problem::OtherRegistration { validator: 0 }),
        ),
        (
            |lock| lock.definition.fork_version = vec![9, 9, 9, 9],
            Outcome::Failed(Problem::UnknownNetwork("09090909".to_owned())),
        ),
    ];
    for (change, expected) in cases {
        let mut lock = latest();
        change(&mut lock);
        assert_eq!(outcome(lock), expected);
    }
}

#[test]
fn deposits_that_would_be_lost_or_pay_elsewhere_are_warned_about() {
    let cases: [(Change, Outcome); 5] = [
        (|_| (), Outcome::Passed),
        (|lock| lock.validators.iter_mut().for_each(|v| v.deposits.clear()), Outcome::NotApplicable),
        (
            |lock| lock.validators[1].deposits[0].signature[0] ^= 1,
            Outcome::Warning(Problem::UnsignedDeposit { validator: 1 }),
        ),
        (
            |lock| {
                lock.validators[1].deposits[0].amount = lock.validators[1].deposits[0].amount.saturating_add(1)
            },
            Outcome::Warning(Problem::UnsignedDeposit { validator: 1 }),
        ),
        (
            |lock| lock.definition.validators.swap(0, 1),
            Outcome::Warning(Problem::OtherDeposit { validator: 0 }),
        ),
    ];
    for (change, expected) in cases {
        let mut lock = latest();
        change(&mut lock);
        let findings = lock.verify_all(&networks());
        assert!(
            findings.contains(&Finding { check: Check::Deposits, outcome: expected.clone() }),
            "{findings:?}"
        );
    }
}

#[test]
fn wallets_sign_all_or_none_and_for_their_own_account() {
    use Signatory::{Creator, Operator};
    let cases: [(&str, ChangePlan, Option<WalletProblem>); 14] = [
        ("all signed", |_| (), None),
        (
            "nothing signed",
            |d| {
                unsign_operators(d);
                d.creator = Default::default()
            },
            None,
        ),
        ("only the creator signed", unsign_operators, None),
        ("no operators, creator signed", |d| d.operators.clear(), None),
        (
            "no operators, nobody signed",
            |d| {
                d.operators.clear();
                d.creator = Default::default()
            },
            Some(WalletProblem::Missing(Creator)),
        ),
        ("only operators signed", |d| d.creator = Default::default(), Some(WalletProblem::Missing(Creator))),
        ("creator named only", |d| d.creator.config_signature.clear(), Some(WalletProblem::Missing(Creator))),
        ("creator not named", |d| d.creator.address.clear(), Some(WalletProblem::Wrong(Creator))),
        (
            "one operator unsigned",
            |d| d.operators[1] = Default::default(),
            Some(WalletProblem::Partial { unsigned: 1, operators: 3 }),
        ),
        (
            "record unsigned",
            |d| d.operators[1].enr_signature.clear(),
            Some(WalletProblem::Missing(Operator(1))),
        ),
        (
            "invited only",
            |d| {
                let o = &mut d.operators[1];
                o.enr_signature.clear();
                o.config_signature.clear()
            },
            Some(WalletProblem::Missing(Operator(1))),
        ),
        ("record replaced", |d| d.operators[2].enr.push('='), Some(WalletProblem::Wrong(Operator(2)))),
        (
            "accounts swapped",
            |d| {
                let first = d.operators[0].address.clone();
                d.operators[0].address = std::mem::replace(&mut d.operators[1].address, first);
            },
            Some(WalletProblem::Wrong(Operator(0))),
        ),
        (
            "short",
            |d| d.operators[0].enr_signature.truncate(64),
            Some(WalletProblem::Length { by: Operator(0), bytes: 64 }),
        ),
    ];
    for (name, change, expected) in cases {
        let mut definition = latest().definition;
        change(&mut definition);
        let findings = definition.verify_all(&networks());
        let outcome = expected.map_or(Outcome::Passed, |problem| Outcome::Failed(problem.into()));
        assert!(
            findings.contains(&Finding { check: Check::WalletSignatures, outcome }),
            "{name}: {findings:?}"
        );
    }
}

#[test]
fn a_signature_that_no_key_made_counts_if_the_contract_of_the_account_accepts_it() {
    let mut definition = latest().definition;
    let second = &mut definition.operators[1];
    (second.config_signature, second.enr_signature) = (vec![0x5a; 130], vec![0x5a; 130]);
    definition.rehash().unwrap();
    let wallets = |networks: &Networks| {
        let findings = definition.verify_all(networks);
        findings.into_iter().find(|finding| finding.check == Check::WalletSignatures).unwrap().outcome
    };
    let wrong = Outcome::Failed(WalletProblem::Wrong(Signatory::Operator(1)).into());
    assert_eq!(wallets(&networks()), wrong);

    let questions = definition.contract_signatures(&networks());
    assert_eq!(questions.len(), 2, "one for the plan, one for the record, none for keys that signed");
    let account = hex::encode(questions[0].account.as_bytes());
    assert!(definition.operators[1].address.to_lowercase().ends_with(&account));
    assert_ne!(questions[0].digest, questions[1].digest);
    assert_eq!(wallets(&networks().accepting(questions[..1].to_vec())), wrong, "the record is not signed");
    assert_eq!(wallets(&networks().accepting(questions.clone())), Outcome::Passed);
    // What was accepted for one plan says nothing about another.
    definition.name.push('!');
    definition.rehash().unwrap();
    let findings = definition.verify_all(&networks().accepting(questions));
    assert!(findings.iter().any(|finding| matches!(finding.outcome, Outcome::Failed(Problem::Wallet(_)))));
    assert!(latest().definition.contract_signatures(&networks()).is_empty());
}

fn unsign_operators(definition: &mut Definition) {
    for entry in &mut definition.operators {
        entry.address.clear();
        entry.config_signature.clear();
        entry.enr_signature.clear();
    }
}

#[test]
fn an_unknown_network_fails_even_where_nothing_is_signed() {
    let mut definition = latest().definition;
    unsign_operators(&mut definition);
    definition.creator = Default::default();
    definition.fork_version = vec![1, 1, 0x70, 0];
    definition.rehash().unwrap();
    assert!(definition.verify(&Networks::known()).is_err());
    assert!(definition.verify(&networks()).is_ok());
}

#[test]
fn wallet_signatures_have_the_lengths_of_the_specification() {
    for row in rows("signature-lengths.json") {
        let length = row["length"].as_u64().unwrap() as usize;
        let json = json!({ "version": row["version"], "fork_version": "0x00000000", "creator":
            { "address": "", "config_signature": hex::encode(vec![1; length]) }, "operators": [{}] });
        let definition = Definition::from_json(json.to_string().as_bytes()).unwrap();
        let refused = definition.verify_all(&networks()).into_iter().any(|finding| {
            matches!(finding.outcome, Outcome::Failed(Problem::Wallet(WalletProblem::Length { .. })))
        });
        assert_eq!(!refused, row["ok"].as_bool().unwrap(), "{row}");
    }
}

#[test]
fn a_verified_lock_shows_the_cluster_to_each_of_its_operators() {
    let verified = latest().verify(&networks()).unwrap();
    assert_eq!((verified.operators().len(), verified.threshold().count()), (3, 2));
    assert_eq!(verified.fork_version().to_string(), "0x90000069");
    assert_eq!(verified.name(), "one of each <version> & more");
    for (me, seed) in OperatorIndex::all(3).zip(1..) {
        let key = NodeKey::from_bytes(&[seed; 32]).unwrap().public();
        assert_eq!(verified.operator_of(&key), Some(me));
        assert_eq!(verified.operators()[me.position()].key, key);
        let cluster = verified.cluster(me);
        assert_eq!((cluster.me, cluster.operators, cluster.validators.len()), (me, 3, 2));
        for (share, validator) in verified.share_keys(me) {
            assert_eq!(cluster.validators[&validator].share_key(me.share()).unwrap().to_bytes(), share);
        }
        assert_eq!(verified.share_keys(me).len(), 2);
    }
    assert_eq!(verified.operator_of(&NodeKey::from_bytes(&[99; 32]).unwrap().public()), None);
}

#[test]
fn a_lock_that_nobody_could_act_on_is_refused_even_to_those_who_insist() {
    let refused = |change: fn(&mut Lock)| {
        let lock = rehashed(change);
        lock.accept_unverified(&networks()).unwrap_err()
    };
    assert!(matches!(
        refused(|lock| lock.definition.operators[1].enr = "enr:-".to_owned()),
        Unusable::Enr { operator, .. } if operator.position() == 1
    ));
    assert!(matches!(
        refused(|lock| lock.definition.operators[2].enr = format!("{}=", lock.definition.operators[0].enr)),
        Unusable::DuplicateOperator { first, second } if (first.position(), second.position()) == (0, 2)
    ));
    assert!(matches!(refused(|lock| lock.definition.threshold = 1), Unusable::Threshold(_)));
    assert!(matches!(refused(|lock| lock.definition.fork_version = vec![1]), Unusable::ForkVersion));
    let mut lock = latest();
    lock.lock_hash.pop();
    assert_eq!(lock.accept_unverified(&networks()).unwrap_err(), Unusable::LockHash);
    let too_many = refused(|lock| {
        let keys =
            (0..255_u8).map(|i| NodeKey::from_bytes(&[[9; 31].as_slice(), &[i]].concat().try_into().unwrap()));
        lock.definition.operators = keys
            .map(|key| hearth_obol::cluster::OperatorEntry {
                enr: Enr::create(&key.unwrap()).text().to_owned(),
                ..Default::default()
            })
            .collect();
    });
    assert_eq!(too_many, Unusable::TooManyOperators(255));
}
