//! What is signed, and what must be on disk first.

use hearth_crypto::Signature;
use hearth_signer::{
    BlockHeader, DepositMessage, FreeMessage, FreeRefusal, Keyring, NoDomain, SignError, Signer,
    UnknownValidator, ValidatorRegistration,
};
use hearth_slashing::SlashingDb;
use hearth_types::{
    DomainType, Epoch, ExecutionAddress, ForkName, ForkVersion, Gwei, Root, ScheduledFork, SignatureBytes,
    SigningRoot, Slot, ValidatorIndex, ValidatorPubkey, Vote,
};
use proptest::prelude::*;

use crate::common::{bytes, chain, chain_with, json, secret, vectors};

fn validator(n: u64) -> ValidatorPubkey {
    ValidatorPubkey::new([n as u8; 48])
}

fn keyring(validators: u64) -> Keyring {
    Keyring::new((0..validators).map(|n| (validator(n), secret(n))))
}

fn record() -> SlashingDb {
    SlashingDb::in_memory(chain().genesis_validators_root).unwrap()
}

fn vote(source: u64, target: u64, root: u8) -> Vote {
    Vote {
        slot: Slot::new(32 * target),
        source: Epoch::new(source),
        target: Epoch::new(target),
        root: SigningRoot::new([root; 32]),
    }
}

fn header(slot: u64, body: u8) -> BlockHeader {
    BlockHeader {
        slot: Slot::new(slot),
        proposer_index: ValidatorIndex::new(42),
        parent_root: Root::new([1; 32]),
        state_root: Root::new([2; 32]),
        body_root: Root::new([body; 32]),
    }
}

/// One of each kind.
fn messages() -> Vec<(&'static str, FreeMessage)> {
    let pubkey = ValidatorPubkey::new(std::array::from_fn(|i| i as u8 + 1));
    let credentials = |i: usize| {
        if i == 0 {
            1
        } else if i < 12 {
            0
        } else {
            0xcd
        }
    };
    vec![
        ("randao", FreeMessage::Randao { epoch: Epoch::new(7) }),
        ("randao after a fork", FreeMessage::Randao { epoch: Epoch::new(9) }),
        (
            "voluntary exit",
            FreeMessage::VoluntaryExit { epoch: Epoch::new(9), validator_index: ValidatorIndex::new(1234) },
        ),
        (
            "registration",
            FreeMessage::ValidatorRegistration(ValidatorRegistration {
                fee_recipient: ExecutionAddress::new([0xab; 20]),
                gas_limit: 60_000_000,
                timestamp_s: 1_606_824_023,
                pubkey,
            }),
        ),
        (
            "deposit",
            FreeMessage::Deposit(DepositMessage {
                pubkey,
                withdrawal_credentials: std::array::from_fn(credentials),
                amount: Gwei::new(32_000_000_000),
            }),
        ),
        ("selection proof", FreeMessage::SelectionProof { slot: Slot::new(319) }),
        (
            "sync committee message",
            FreeMessage::SyncCommitteeMessage {
                slot: Slot::new(100),
                beacon_block_root: Root::new([0x77; 32]),
            },
        ),
        (
            "sync committee selection",
            FreeMessage::SyncCommitteeSelection { slot: Slot::new(100), subcommittee_index: 3 },
        ),
    ]
}

fn verifies(signature: &SignatureBytes, key: u64, root: &SigningRoot) -> bool {
    Signature::from_bytes(signature.as_bytes()).unwrap().verify(&secret(key).public_key(), root)
}

#[test]
fn signing_roots_of_every_kind_are_those_of_an_independent_computation() {
    let expected = json(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signing-roots.json"));
    let mut actual: Vec<(&str, SigningRoot)> =
        messages().into_iter().map(|(name, message)| (name, message.signing_root(&chain()).unwrap())).collect();
    actual.push(("block", header(319, 3).signing_root(&chain()).unwrap()));
    let expected: Vec<(&str, SigningRoot)> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (case["name"].as_str().unwrap(), SigningRoot::new(bytes(&case["signing_root"]))))
        .collect();
    assert_eq!(actual, expected);
}

#[test]
fn deposits_of_every_network_have_the_listed_roots_and_signatures() {
    let Some(folder) = vectors("obol-cluster/deposit") else { return };
    for case in json(folder.join("signing.json")).as_array().unwrap() {
        let message = DepositMessage {
            pubkey: ValidatorPubkey::new(bytes(&case["pubkey"])),
            withdrawal_credentials: bytes(&case["withdrawal_credentials"]),
            amount: Gwei::new(case["amount_gwei"].as_u64().unwrap()),
        };
        let root = message.signing_root(ForkVersion::new(bytes(&case["fork_version"])));
        assert_eq!(root, SigningRoot::new(bytes(&case["signing_root"])), "{case}");
        let key = hearth_crypto::SecretKey::from_bytes(&bytes(&case["secret"])).unwrap();
        assert_eq!(key.sign(&root).to_bytes(), SignatureBytes::new(bytes(&case["signature"])), "{case}");
    }
}

#[test]
fn builder_registrations_have_the_listed_roots_and_signatures() {
    let Some(folder) = vectors("obol-cluster/registration") else { return };
    for case in json(folder.join("vectors.json")).as_array().unwrap() {
        let of = |member: &str| &case["message"][member];
        let message = ValidatorRegistration {
            fee_recipient: ExecutionAddress::new(bytes(of("fee_recipient"))),
            gas_limit: of("gas_limit").as_str().unwrap().parse().unwrap(),
            timestamp_s: of("timestamp").as_str().unwrap().parse().unwrap(),
            pubkey: ValidatorPubkey::new(bytes(of("pubkey"))),
        };
        let root = message.signing_root(ForkVersion::new(bytes(&case["fork_version"])));
        if case.get("signing_root").is_some() {
            assert_eq!(root, SigningRoot::new(bytes(&case["signing_root"])), "{case}");
        }
        let key = hearth_crypto::SecretKey::from_bytes(&bytes(&case["signer_secret"])).unwrap();
        assert_eq!(key.sign(&root).to_bytes(), SignatureBytes::new(bytes(&case["signature"])), "{case}");
    }
}

#[test]
fn no_free_message_is_signed_in_the_domain_of_votes_or_blocks() {
    for (name, message) in messages() {
        assert_ne!(message.domain_type(), DomainType::BeaconAttester, "{name}");
        assert_ne!(message.domain_type(), DomainType::BeaconProposer, "{name}");
    }
}

#[test]
fn a_message_without_a_known_domain_is_not_signed() {
    let fork =
        |name, epoch| ScheduledFork { name, epoch: Epoch::new(epoch), version: ForkVersion::new([9; 4]) };
    let only_fulu = chain_with(vec![fork(ForkName::Fulu, 0)]);
    let validator = ValidatorPubkey::new([1; 48]);
    let keyring = Keyring::new([(validator, secret(1))]);
    let sign = |message: FreeMessage| keyring.sign_free(&validator, &message, &only_fulu);
    let deposit = DepositMessage { pubkey: validator, withdrawal_credentials: [1; 32], amount: Gwei::new(1) };

    // Signed under whatever version is at hand, these would be worthless, or worse, valid elsewhere.
    assert_eq!(
        sign(FreeMessage::VoluntaryExit { epoch: Epoch::new(1), validator_index: ValidatorIndex::new(1) }),
        Err(FreeRefusal::NoDomain(NoDomain::NotScheduled(ForkName::Capella)))
    );
    assert_eq!(
        sign(FreeMessage::Deposit(deposit)),
        Err(FreeRefusal::NoDomain(NoDomain::NotScheduled(ForkName::Phase0)))
    );
    assert!(sign(FreeMessage::Randao { epoch: Epoch::new(999_999) }).is_ok());
    assert!(matches!(
        sign(FreeMessage::Randao { epoch: Epoch::new(1_000_000) }),
        Err(FreeRefusal::NoDomain(NoDomain::UnknownFork(_)))
    ));
}

#[test]
fn a_free_message_is_signed_by_the_share_of_its_validator_and_by_no_other() {
    let keyring = keyring(3);
    let randao = FreeMessage::Randao { epoch: Epoch::new(7) };
    let signature = keyring.sign_free(&validator(1), &randao, &chain()).unwrap();
    assert!(verifies(&signature, 1, &randao.signing_root(&chain()).unwrap()));
    assert_eq!(
        keyring.sign_free(&validator(3), &randao, &chain()),
        Err(FreeRefusal::UnknownValidator(UnknownValidator(validator(3))))
    );
    for (name, message) in messages().into_iter().filter(|(name, _)| ["registration", "deposit"].contains(name))
    {
        let refused = keyring.sign_free(&validator(1), &message, &chain());
        assert!(matches!(refused, Err(FreeRefusal::OfAnother { .. })), "{name}");
    }
}

#[test]
fn a_batch_of_votes_is_answered_in_its_order_whatever_becomes_of_each() {
    let mut signer = Signer::new(keyring(40), record());
    let first: Vec<_> = (0..40).map(|n| (validator(n), vote(2, 5, 0xaa))).collect();
    for (n, signature) in (0..).zip(signer.sign_attestations(&first)) {
        assert!(verifies(&signature.unwrap(), n, &SigningRoot::new([0xaa; 32])), "validator {n}");
    }

    let second = [
        ("same vote again", validator(0), vote(2, 5, 0xaa), "signed"),
        ("double vote", validator(1), vote(2, 5, 0xbb), "refused"),
        ("of nobody here", validator(200), vote(5, 6, 0xbb), "unknown"),
        ("surrounds", validator(2), vote(1, 6, 0xbb), "refused"),
        ("follows", validator(3), vote(5, 6, 0xbb), "signed"),
        ("of nobody here either", validator(201), vote(5, 6, 0xbb), "unknown"),
        ("is surrounded", validator(4), vote(3, 4, 0xbb), "refused"),
        ("follows, too", validator(39), vote(5, 6, 0xcc), "signed"),
    ];
    let votes: Vec<_> = second.iter().map(|(_, validator, vote, _)| (*validator, *vote)).collect();
    let answers = signer.sign_attestations(&votes);
    assert_eq!(answers.len(), votes.len());
    for ((name, validator, vote, expected), answer) in second.into_iter().zip(answers) {
        let became = match answer {
            Ok(signature) => {
                assert!(verifies(&signature, u64::from(validator.as_bytes()[0]), &vote.root), "{name}");
                "signed"
            }
            Err(SignError::Refused(_)) => "refused",
            Err(SignError::UnknownValidator(UnknownValidator(named))) if named == validator => "unknown",
            Err(other) => panic!("{name}: {other}"),
        };
        assert_eq!(became, expected, "{name}");
    }
}

#[test]
fn a_vote_of_a_validator_without_a_share_leaves_no_record() {
    let mut signer = Signer::new(keyring(1), record());
    let votes = [(validator(0), vote(2, 5, 1)), (validator(7), vote(2, 5, 1))];
    assert!(signer.sign_attestations(&votes)[1].is_err());
    let exported = signer.record().export(hearth_slashing::Form::Complete).unwrap();
    let exported = serde_json::to_string(&exported).unwrap();
    assert!(exported.contains(&validator(0).to_string()));
    assert!(!exported.contains(&validator(7).to_string()));
}

#[test]
fn two_votes_of_one_validator_in_a_batch_are_held_against_each_other() {
    let mut signer = Signer::new(keyring(1), record());
    let answers = signer.sign_attestations(&[(validator(0), vote(2, 5, 1)), (validator(0), vote(2, 5, 2))]);
    assert!(answers[0].is_ok());
    assert!(matches!(answers[1], Err(SignError::Refused(_))));
}

#[test]
fn one_block_a_slot_is_signed_and_its_slot_is_the_one_inside() {
    let mut signer = Signer::new(keyring(1), record());
    let mut sign = |header: &BlockHeader| signer.sign_block(&validator(0), header, &chain());
    let signature = sign(&header(319, 3)).unwrap();
    assert!(verifies(&signature, 0, &header(319, 3).signing_root(&chain()).unwrap()));
    assert!(matches!(sign(&header(319, 4)), Err(SignError::Refused(_))), "another block in the slot");
    assert!(sign(&header(320, 4)).is_ok(), "the next slot");
    assert!(matches!(sign(&header(u64::MAX, 4)), Err(SignError::UnknownFork(_))));
    assert!(matches!(
        signer.sign_block(&validator(9), &header(321, 1), &chain()),
        Err(SignError::UnknownValidator(_))
    ));
}

#[test]
fn debug_output_of_a_keyring_names_validators_and_no_key() {
    let told = format!("{:?}", keyring(2));
    assert!(told.contains(&validator(1).to_string()), "{told}");
    for n in 0..2 {
        assert!(!told.contains(&hex::encode(*secret(n).to_bytes())), "{told}");
    }
}

#[test]
fn of_two_shares_for_one_validator_the_later_stays() {
    let keyring = Keyring::new([(validator(0), secret(1)), (validator(0), secret(2))]);
    assert_eq!(keyring.validators().len(), 1);
    let randao = FreeMessage::Randao { epoch: Epoch::new(1) };
    let signature = keyring.sign_free(&validator(0), &randao, &chain()).unwrap();
    assert!(verifies(&signature, 2, &randao.signing_root(&chain()).unwrap()));
}

proptest! {
    #[test]
    fn messages_of_different_kinds_never_share_a_root(epoch in 0u64..900_000, number: u64, bytes: [u8; 32]) {
        let slot = Slot::new(epoch);
        let root = Root::new(bytes);
        let kinds = [
            FreeMessage::Randao { epoch: Epoch::new(epoch) },
            FreeMessage::SelectionProof { slot },
            FreeMessage::VoluntaryExit { epoch: Epoch::new(epoch), validator_index: ValidatorIndex::new(number) },
            FreeMessage::SyncCommitteeSelection { slot, subcommittee_index: number },
            FreeMessage::SyncCommitteeMessage { slot, beacon_block_root: root },
        ];
        let mut roots: Vec<_> = kinds.iter().map(|kind| kind.signing_root(&chain()).unwrap()).collect();
        // A block whose header hashes to what a sync committee votes for is still another message.
        roots.push(header(epoch, bytes[0]).signing_root(&chain()).unwrap());
        roots.sort();
        roots.dedup();
        prop_assert_eq!(roots.len(), 6);
    }
}
